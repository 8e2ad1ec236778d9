"""Tokens without their features: where each stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chiasm.place.grids import WHOLE, Grid
from chiasm.resample import Floats, Ints


@dataclass(frozen=True)
class Laid:
    """Tokens without their features: the place of each, and the grids that the places refer to."""

    place_V4: Ints
    grids: tuple[Grid, ...]

    def __len__(self) -> int:
        return len(self.place_V4)

    def items(self) -> Ints:
        """The item of each token."""
        return np.array([g.item for g in self.grids], np.int64)[self.place_V4[:, 0]]

    def shown(self) -> np.ndarray:
        """Which tokens show something."""
        return np.array([g.shows for g in self.grids], bool)[self.place_V4[:, 0]]

    def counts(self, items: int) -> list[int]:
        """How many tokens each of so many items has that show something of it."""
        counts: list[int] = np.bincount(self.items()[self.shown()], minlength=items).tolist()
        return counts

    def of_views(self) -> list[int]:
        """How many tokens of each view show something of it."""
        counts: list[int] = np.bincount(self.place_V4[self.shown(), 0], minlength=len(self.grids)).tolist()
        return counts


NOTHING = Laid(np.zeros((0, 4), np.int64), ())
"""Where there are no visual tokens."""


def raster(grids: Sequence[Grid]) -> Laid:
    """The cells of all grids, in order of t, then rows, then columns."""
    parts = []
    for number, grid in enumerate(grids):
        t, y, x = np.indices((grid.t, grid.h, grid.w), np.int64).reshape(3, -1)
        parts.append(np.stack([np.full_like(t, number), t, y, x], 1))
    return Laid(np.concatenate(parts) if parts else np.zeros((0, 4), np.int64), tuple(grids))


def thousandths(laid: Laid) -> Ints:
    """The box of each token in thousandths of its view, cut to whole ones, [V, 4]; what stands for a whole view lies one inside
    its edges, as LayoutLMv3 (arXiv:2204.08387) has it."""
    sides = np.array([(grid.w, grid.h) for grid in laid.grids], np.int64).reshape(-1, 2)[laid.place_V4[:, 0]]
    corner = laid.place_V4[:, :1:-1]
    boxes = np.concatenate([corner * 1000 // sides, (corner + 1) * 1000 // sides], 1)
    return np.where((corner == WHOLE).any(1, keepdims=True), np.array([[1, 1, 999, 999]]), boxes)


def fractions(laid: Laid) -> Floats:
    """The box of each cell as fractions of its view, [V, 4]."""
    sides = np.array([(grid.w, grid.h) for grid in laid.grids], np.float32).reshape(-1, 2)[laid.place_V4[:, 0]]
    corner = laid.place_V4[:, :1:-1].astype(np.float32)
    return np.concatenate([corner / sides, (corner + 1) / sides], 1)
