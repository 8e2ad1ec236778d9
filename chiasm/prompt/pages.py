"""Pages: words in boxes, and what of them a plan takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import tokenizers
import torch

from chiasm.errors import BadPrompt
from chiasm.geometry import Size
from chiasm.model import Words
from chiasm.place import Box, Ints
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.resample import Floats
from chiasm.spec import EncodePage, Seq2Seq, Writer

Corners = tuple[float, float, float, float]
"""Of a box, (x0, y0, x1, y1)."""


@dataclass(frozen=True)
class Page:
    """The words of a page in reading order, the box of each in upright source pixels, and the page's size."""

    words: tuple[str, ...]
    boxes: tuple[Box, ...]
    size: Size

    def __post_init__(self) -> None:
        if len(self.words) != len(self.boxes):
            raise BadPrompt(f"a page has {len(self.words)} words and {len(self.boxes)} boxes: give every word its own")
        for word, box in zip(self.words, self.boxes, strict=True):
            if not (0 <= box.x0 <= box.x1 <= self.size.width and 0 <= box.y0 <= box.y1 <= self.size.height):
                shape = f"{self.size.width} x {self.size.height}"
                raise BadPrompt(
                    f"the word {word!r} has the box {box.x0:g}, {box.y0:g}, {box.x1:g}, {box.y1:g}, which does not lie on its "
                    f"page of {shape} pixels, its first corner first"
                )


@dataclass(frozen=True)
class Lettered:
    """A page as a tokenizer reads it: ids, the box of each as fractions of the page, and the segment of each."""

    ids: tuple[int, ...]
    boxes: tuple[Corners, ...]
    kinds: tuple[int, ...]


def lettered(tokenizer: Tokenizer, page: Page, question: str, closing: Literal["first", "last"]) -> Lettered:
    """Every piece of a word has the word's box. A question stands before the words, in boxes that are empty. No word can become
    a control token: raises `BadPrompt` where a vocabulary leaves no other way to read it."""
    asked = question.split()
    streams = [asked, list(page.words)] if asked else [list(page.words)]
    encoding = _plain(tokenizer).encode(streams[0], streams[1] if asked else None, is_pretokenized=True)
    corners = [_fraction(box, page.size) for box in page.boxes]
    boxes, controls = [], set(tokenizer.controls.values())
    for place, (id, word, stream) in enumerate(zip(encoding.ids, encoding.word_ids, encoding.sequence_ids, strict=True)):
        if word is None:
            boxes.append(EMPTY[closing if place else "first"])
        elif id in controls:
            raise BadPrompt(f"the word {streams[stream or 0][word]!r} is a control token of {tokenizer.origin}: leave it out")
        else:
            boxes.append(corners[word] if stream == len(streams) - 1 else EMPTY["first"])
    return Lettered(tuple(encoding.ids), tuple(boxes), tuple(encoding.type_ids))


def page_of(number: int, messages: Sequence[Message], items: Sequence[object]) -> tuple[Page, str]:
    """The page that conversation `number` is about, item `number` being its picture, and what is asked. Raises `BadPrompt` for
    more than one turn or page, and for a page without words."""
    parts = [part for message in messages for part in message.content]
    pages, size = [part for part in parts if isinstance(part, Image)], items[number] if number < len(items) else None
    if len(messages) != 1 or len(pages) != 1 or not pages[0].words or not isinstance(size, Size):
        said = f"{len(messages)} messages with {len(pages)} pictures and {sum(len(page.words) for page in pages)} words"
        raise BadPrompt(
            f"conversation {number} has {said}, and this model reads one page at a time by the words on it: give one message "
            'of one picture with "words" and their "boxes", and a question'
        )
    boxes = tuple(Box(*box) for box in pages[0].boxes)
    return Page(pages[0].words, boxes, size), " ".join(part.text for part in parts if isinstance(part, Text))


EMPTY: dict[Literal["first", "last"], Corners] = {"first": (0.0, 0.0, 0.0, 0.0), "last": (1.0, 1.0, 1.0, 1.0)}
"""Boxes of no size at a corner of the page."""


@lru_cache(maxsize=4)
def _plain(tokenizer: Tokenizer) -> tokenizers.Tokenizer:
    """The same rules, but that a control token's spelling is text."""
    twin = tokenizers.Tokenizer.from_str(tokenizer.backend.to_str())
    twin.encode_special_tokens = True
    return twin


def _fraction(box: Box, size: Size) -> Corners:
    return box.x0 / size.width, box.y0 / size.height, box.x1 / size.width, box.y1 / size.height


def words_of(spec: EncodePage, tokenizer: Tokenizer, pages: Sequence[Page], questions: Sequence[str] = ()) -> Words:
    """Pages as an encoder of pages takes them, their boxes in thousandths cut to whole ones, a question to each or to none."""
    asked = questions or [""] * len(pages)
    rows = [lettered(tokenizer, page, text, spec.boxes.closing) for page, text in zip(pages, asked, strict=True)]
    longest = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), longest), tokenizer.pad_id or 0)
    valid = torch.zeros(len(rows), longest, dtype=torch.bool)
    kinds, boxes = torch.zeros_like(ids), torch.zeros(len(rows), longest, 4, dtype=torch.int64)
    for number, row in enumerate(rows):
        real = slice(len(row.ids))
        ids[number, real], valid[number, real] = torch.tensor(row.ids), True
        kinds[number, real] = torch.tensor(row.kinds).clamp(max=spec.text.kinds - 1)
        boxes[number, real] = torch.tensor([[int(1000 * edge) for edge in box] for box in row.boxes])
    return Words(ids, valid, kinds, boxes)


def boxes_of(spec: Writer, boxes: Sequence[Sequence[Corners]], rows: Sequence[Ints], pages: int) -> list[Floats | None]:
    """The boxes of each row's tokens. Raises `BadPrompt` where a model that reads pages lacks a box or a page, where a box
    reaches beyond its page, and for a model that does not read pages."""
    if not isinstance(spec, Seq2Seq) or spec.language.boxes is None:
        if boxes:
            raise BadPrompt(
                "this model has no use for boxes of words: give their picture alone, or choose one that reads pages"
            )
        return [None] * len(rows)
    if len(boxes) != len(rows) or pages not in (0, len(rows)):
        message = (
            f"{len(rows)} rows of words with {len(boxes)} rows of boxes and {pages} pictures: this model reads a box for every "
            "word, and one page for each row or none at all"
        )
        raise BadPrompt(message)
    found: list[Floats | None] = []
    for number, (row_T, given) in enumerate(zip(rows, boxes, strict=True)):
        boxes_T4 = np.asarray(given, np.float32).reshape(-1, 4)
        if len(boxes_T4) != len(row_T):
            raise BadPrompt(f"row {number} has {len(row_T)} tokens and {len(boxes_T4)} boxes: give every token its word's box")
        if ((boxes_T4 < 0) | (boxes_T4 > 1)).any():
            wrong = boxes_T4[((boxes_T4 < 0) | (boxes_T4 > 1)).any(1)][0].tolist()
            raise BadPrompt(f"row {number} has the box {wrong}: its edges are fractions of the page, from 0 to 1")
        found.append(boxes_T4)
    return found
