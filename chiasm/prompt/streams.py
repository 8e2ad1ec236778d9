"""The streams beside a plan's rows: targets that are written after them, and hints that connectors read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from chiasm.connect.qformer import Hint
from chiasm.errors import BadPrompt, Overflow
from chiasm.place import Ints, Laid
from chiasm.prompt.messages import Message, Text
from chiasm.prompt.row import NO_SLOT, Row, known
from chiasm.prompt.spans import Rendered, Span
from chiasm.spec import QFormer, Seq2Seq, Step, Told, Words, Writer


def targets_of(
    spec: Writer, targets: Sequence[Sequence[int]], rows: int, supervise: Sequence[Sequence[bool]] | None
) -> Sequence[Row | None]:
    """What is written after each row, in models that write after a source."""
    if not isinstance(spec, Seq2Seq):
        if targets:
            raise BadPrompt("targets are for models that write after a source: put the text into the rows")
        return [None] * rows
    given = targets or [[spec.language.start]] * rows
    if len(given) != rows:
        raise BadPrompt(f"{len(given)} targets for {rows} sources: give one for each")
    for number, ids in enumerate(given):
        known(number, np.asarray(ids, np.int64), spec.vocab)
    return [Row.of_text(ids, supervise[number] if supervise else None) for number, ids in enumerate(given)]


def reads(connector: Sequence[Step]) -> Words | None:
    """What a connector reads beside pictures, if anything."""
    return next((step.words for step in connector if isinstance(step, QFormer)), None)


def instruction(told: Told, messages: Sequence[Message]) -> Rendered:
    """What the system says and what is asked first, word for word, a space between texts; the family's own sentence where the
    system says nothing."""
    if not any(_said(message) for message in messages if message.role == "system"):
        shown = next(image for message in messages for image in message.images)
        return Rendered(told.picture if shown.kind == "image" else told.clip, (), tuple(messages))
    first = [number for number, message in enumerate(messages) if message.role == "user"][:1]
    text, spans = "", list[Span]()
    for number, message in enumerate(messages):
        for place, part in _said(message) if message.role == "system" or number in first else []:
            text = f"{text} " if text else text
            spans.append(Span(len(text), len(text) + len(part.text), number, place, message.role, part.literal))
            text += part.text
    return Rendered(text, tuple(spans), tuple(messages))


def _said(message: Message) -> list[tuple[int, Text]]:
    """A message's words, each with its place."""
    return [(n, part) for n, part in enumerate(message.content) if isinstance(part, Text) and part.text.strip()]


def heard_by(spec: Writer, hints: Sequence[Sequence[int]], rows: int) -> Sequence[Ints | None]:
    """What is read with each row's pictures. Raises `BadPrompt` where a connector misses its text, or reads none."""
    if not hints:
        return [None] * rows
    words = None if spec.sight is None else reads(spec.sight.connector)
    if words is None or len(hints) != rows:
        said = "this model's connector reads no text" if words is None else f"there are {rows} rows"
        raise BadPrompt(f"{len(hints)} texts for the connector, and {said}")
    heard = [np.asarray(hint, np.int64) for hint in hints]
    for number, ids in enumerate(heard):
        known(number, ids, words.vocab)
        if len(ids) > words.positions:
            over = len(ids) - words.positions
            raise Overflow(f"row {number} has {len(ids)} tokens for the connector, {over} more than it reads: shorten the text")
    return heard


def hint(rows: Sequence[Row], laid: Laid, items: int) -> Hint | None:
    """The text that is read with each item: that of the row where it stands."""
    of_token, texts = laid.items(), [np.zeros(0, np.int64)] * items
    for row in rows:
        if row.hint_T is not None:
            for item in np.unique(of_token[row.slots_T[row.slots_T != NO_SLOT]]):
                texts[item] = row.hint_T
    longest = max(map(len, texts), default=0)
    if not longest:
        return None
    ids, valid = np.zeros((items, longest), np.int64), np.zeros((items, longest), bool)
    for number, text in enumerate(texts):
        ids[number, : len(text)], valid[number, : len(text)] = text, True
    return Hint(torch.from_numpy(ids), torch.from_numpy(valid))
