"""The frame of LLaVA's original code (arXiv:2304.08485): one placeholder a picture, which the model itself expands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from chiasm.errors import BadCheckpoint
from chiasm.reference.given import Given


@dataclass(frozen=True)
class Frame:
    """How its sequences stand: rows cut at `limit` positions after expansion, pads on the left or on the right."""

    limit: int | None
    left: bool

    @classmethod
    def of(cls, config: dict[str, Any]) -> Frame:
        return cls(config.get("tokenizer_model_max_length"), config.get("tokenizer_padding_side", "right") == "left")

    def valid_BT(self, lengths: Sequence[int]) -> Tensor:
        """True where a row of so many tokens stands."""
        cut = torch.tensor([length if self.limit is None else min(length, self.limit) for length in lengths])
        places = torch.arange(int(cut.max()))
        return (places.flip(0) if self.left else places) < cut[:, None]


def taken(given: Given, placeholder: int) -> Given:
    """Only the pictures that get a place: a row without a placeholder takes one all the same and shows it to nobody."""
    kept: list[int] = []
    number = 0
    for row in given.rows:
        places = row.count(placeholder)
        kept += range(number, number + places)
        number += max(1, places)
    if given.raw and number != len(given.raw):
        message = f"{given.path} has {len(given.raw)} pictures, and its rows take {number}, one for each row without any"
        raise BadCheckpoint(message)
    names = {f"raw_image_{number}" for number in kept}
    return Given(given.path, {n: x for n, x in given.tensors.items() if not n.startswith("raw_image_") or n in names})


def spliced(rows: Sequence[Sequence[int]], placeholder: int, counts: Sequence[int]) -> list[list[int]]:
    """One placeholder a picture becomes as many as the picture has visual tokens; all of them may stand there already."""
    if sum(row.count(placeholder) for row in rows) == sum(counts):
        return [list(row) for row in rows]
    queue = iter(counts)
    return [[token for t in row for token in ([t] * next(queue) if t == placeholder else [t])] for row in rows]
