"""One sequence of a plan, and sequences of unequal length as one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from chiasm.errors import BadPrompt
from chiasm.model import Batch
from chiasm.place import Ints
from chiasm.resample import Floats

NO_SLOT = -1
"""In a row's slots: a token that is no visual token."""


@dataclass(frozen=True)
class Row:
    """One sequence without pads. `slots_T` is the visual token of each position or NO_SLOT, `next` the position of the token
    that would follow, `supervise_T` true where training may look, `segment_T` the tree and branch of each token, numbered as
    `sequence.masks` does (0: the prefix of the first tree). The first `prompt` tokens see one another, later ones too. Where
    the row is a source, `target` is what is written after it; `hint_T` is the text that a connector reads with each of the
    row's pictures. `sees_2T` is the first and the next but last item that each token may ask outside of the sequence, alike
    where it may ask none. `boxes_T4` are tokens' boxes as fractions of the page."""

    ids_T: Ints
    slots_T: Ints
    where_AT: Ints
    next: int
    supervise_T: np.ndarray
    segment_T: Ints
    prompt: int = 0
    target: Row | None = None
    hint_T: Ints | None = None
    sees_2T: Ints | None = None
    boxes_T4: Floats | None = None

    def __len__(self) -> int:
        return len(self.ids_T)

    @classmethod
    def of_text(cls, ids: Sequence[int], supervise: Sequence[bool] | None = None) -> Row:
        """Ids without pictures, each at the next place."""
        ids_T, length = np.asarray(ids, np.int64), len(ids)
        watched = np.zeros(length, bool) if supervise is None else np.asarray(supervise, bool)
        where_AT = np.arange(length, dtype=np.int64)[None]
        return cls(ids_T, np.full(length, NO_SLOT, np.int64), where_AT, length, watched, np.zeros_like(ids_T))


def padded(rows: Sequence[Row], axes: int) -> Batch:
    """Rows padded on the left to the longest of them."""
    longest = max(map(len, rows))
    ids, slots = np.zeros((len(rows), longest), np.int64), np.full((len(rows), longest), NO_SLOT, np.int64)
    where, valid = np.zeros((axes, len(rows), longest), np.int64), np.zeros((len(rows), longest), bool)
    watched, segments = np.zeros((len(rows), longest), bool), np.zeros((len(rows), longest), np.int64)
    prompts = np.zeros((len(rows), longest), bool)
    for number, row in enumerate(rows):
        real = slice(longest - len(row), longest)
        ids[number, real], slots[number, real] = row.ids_T, row.slots_T
        where[:, number, real], valid[number, real] = row.where_AT, True
        watched[number, real], segments[number, real] = row.supervise_T, row.segment_T
        prompts[number, real] = np.arange(len(row)) < row.prompt
    return Batch(
        ids_BT=torch.from_numpy(ids),
        slot_BT=torch.from_numpy(slots),
        where_ABT=torch.from_numpy(where),
        valid_BT=torch.from_numpy(valid),
        next_B=torch.tensor([row.next for row in rows]),
        supervise_BT=torch.from_numpy(watched),
        segment_BT=torch.from_numpy(segments) if segments.any() else None,
        prompt_BT=torch.from_numpy(prompts) if prompts.any() else None,
        boxes_BT4=_boxes(rows, longest),
    )


def _boxes(rows: Sequence[Row], longest: int) -> torch.Tensor | None:
    """The boxes of all tokens; a pad has none."""
    if all(row.boxes_T4 is None for row in rows):
        return None
    boxes = np.full((len(rows), longest, 4), -1, np.float32)
    for number, row in enumerate(rows):
        if row.boxes_T4 is not None:
            boxes[number, longest - len(row) :] = row.boxes_T4
    return torch.from_numpy(boxes)


def known(row: int, ids: Ints, vocab: int) -> None:
    """Raises `BadPrompt` for an id beyond the vocabulary."""
    strange = ids[(ids < 0) | (ids >= vocab)]
    if len(strange):
        message = (
            f"row {row} has the id {strange[0]}, and the model's vocabulary goes from 0 to {vocab - 1}: another tokenizer's?"
        )
        raise BadPrompt(message)
