"""What each square of a drawn picture says, in the language model's own vocabulary.

Letters printed in it, names and colours of what it shows, and where it lies: a mixture of embeddings that a model of text
half understands before it was ever shown a picture.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chiasm.place import Laid
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.render import Sample
from chiasm.render.charts import REMARKS
from chiasm.render.truth import Box
from chiasm.train.eye_heads import ALPHABET, COLOUR_NAMES, THINGS

NOTHING = -1
"""In rows of ids: no further id."""
BLANK, PART = " nothing", " part"
"""What an empty square says, and one that a thing covers whose middle lies elsewhere: a thing is named once, so that names can
be counted."""
SIDES, LEVELS = (" left", " right"), (" above", " below")
"""What squares say of where they lie."""
PLACED = 0.2
"""How much of what a square says is its side, and how much its level."""
FADING = 0.6
"""The weight of a letter in a square, against the one left of it."""


def names(made: Sample, side: int, tokenizer: Tokenizer, most: int = 8) -> np.ndarray:
    """Ids of what each square of `side` pixels holds: what is remarked of it, letters from left to right, the words of
    things that have their middle there, row by row: [squares, most], NOTHING where there is no more."""
    height, width = made.picture.shape[:2]
    rows, columns = height // side, width // side
    held: list[list[int]] = [[] for _ in range(rows * columns)]
    for remark in made.truth.remarks:
        for cell in _covered(remark.box, side, rows, columns):
            held[cell] += tokenizer.encode(f" {remark.word}")
    for letter in sorted(made.truth.letters, key=lambda letter: letter.box[0]):
        x, y = (letter.box[0] + letter.box[2]) / 2, (letter.box[1] + letter.box[3]) / 2
        if 0 <= x < width and 0 <= y < height:
            held[int(y) // side * columns + int(x) // side] += tokenizer.encode(letter.char)
    for thing in made.truth.things:
        words = [token for word in (thing.colour, thing.name) if word for token in tokenizer.encode(f" {word}")]
        for cell in _middle(thing.box, side, rows, columns):
            held[cell] += words
    part = tokenizer.encode(PART)
    for thing in made.truth.things:
        for cell in _covered(thing.box, side, rows, columns):
            held[cell] = held[cell] or part
    filled = np.full((rows * columns, most), NOTHING, np.int64)
    for cell, ids in enumerate(held):
        filled[cell, : len(ids[:most])] = ids[:most]
    return filled


def _covered(box: Box, side: int, rows: int, columns: int) -> Iterator[int]:
    """Squares whose centre a box covers; at least the one of its own centre."""
    left, top, right, bottom = box
    found = False
    for row in range(rows):
        for column in range(columns):
            if left <= (column + 0.5) * side <= right and top <= (row + 0.5) * side <= bottom:
                found = True
                yield row * columns + column
    if not found:
        yield from _middle(box, side, rows, columns)


def _middle(box: Box, side: int, rows: int, columns: int) -> Iterator[int]:
    """The square in which a box has its centre, where that is inside the picture."""
    left, top, right, bottom = box
    column, row = int((left + right) / 2) // side, int((top + bottom) / 2) // side
    if 0 <= row < rows and 0 <= column < columns:
        yield row * columns + column


@dataclass(frozen=True)
class Vocabulary:
    """What squares can say: `ids_K` and the language model's embeddings of them, [K, D]; among them what a square says that
    shows nothing or part of a thing, and of where it lies. `centre` [D] and `spread` are the mean and the summed variance of
    all embeddings."""

    ids_K: Tensor
    embed_KD: Tensor
    blank: int
    part: int
    sides: tuple[int, int]
    levels: tuple[int, int]
    centre: Tensor
    spread: float

    @classmethod
    def of(cls, tokenizer: Tokenizer, embed: Tensor, concepts: Sequence[str]) -> Vocabulary:
        """`concepts` are the names of emoji that squares may show."""
        blank, part, left, right, above, below = (tokenizer.encode(word)[0] for word in (BLANK, PART, *SIDES, *LEVELS))
        words = (BLANK, PART, *SIDES, *LEVELS, *(f" {word}" for word in (*REMARKS, *COLOUR_NAMES, *THINGS, *concepts)))
        ids = sorted({token for text in (*string.printable, *ALPHABET, *words) for token in tokenizer.encode(text)})
        table = embed.float()
        spread = float(table.var()) * table.shape[1]
        ids_K = torch.tensor(ids, device=table.device)
        return cls(ids_K, table[ids_K], blank, part, (left, right), (above, below), table.mean(0), spread)

    def rank(self, ids: Tensor) -> Tensor:
        """Where ids stand among those that can be said. Raises `ValueError` for one that cannot."""
        at = torch.searchsorted(self.ids_K, ids).clamp(max=len(self.ids_K) - 1)
        if not torch.equal(self.ids_K[at], ids):
            raise ValueError(f"ids that no square can say: {ids[self.ids_K[at] != ids].unique().tolist()}")
        return at


def said_by_squares(ids_VM: Tensor, places_V2: Tensor, known: Vocabulary) -> Tensor:
    """How much every square says of each id that can be said, [V, K], in all 1.

    Of several ids in a square the first weighs most, so that order is not lost. Where it lies, (across, down) from 0 to 1,
    is said by more or less of "left" and "right", of "above" and "below".
    """
    shown_VM = ids_VM != NOTHING
    ids_VM = torch.where(shown_VM, ids_VM, known.blank)
    shown_VM[:, 0] = True
    names_VM = shown_VM * FADING ** torch.arange(ids_VM.shape[1], device=ids_VM.device)
    names_VM *= (1 - 2 * PLACED) / names_VM.sum(-1, keepdim=True)
    across_V1, down_V1 = places_V2.split(1, -1)
    where_V4 = PLACED * torch.cat([1 - across_V1, across_V1, 1 - down_V1, down_V1], -1)
    words_V4 = torch.tensor([*known.sides, *known.levels], device=ids_VM.device).expand(len(ids_VM), -1)
    of = known.rank(torch.cat([ids_VM, words_V4], -1))
    said = torch.cat([names_VM, where_V4], -1)
    return said.new_zeros(len(ids_VM), len(known.ids_K)).scatter_add_(1, of, said)


def places(laid: Laid) -> Tensor:
    """How far across and down its picture each token lies, from 0 to 1: [V, 2]."""
    extents = np.array([(grid.w, grid.h) for grid in laid.grids])[laid.place_V4[:, 0]]
    return torch.from_numpy((laid.place_V4[:, [3, 2]] + 0.5) / extents).float()
