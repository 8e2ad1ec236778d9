"""A connector step as an index, and what routes are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

import numpy as np

from chiasm.place.grids import WHOLE, Grid
from chiasm.place.laid import Laid
from chiasm.resample import Floats, Ints

Numbers = TypeVar("Numbers", Ints, Floats)

NEWLINE, BREAK = -1, -2
"""In a route: the learned newline instead of a token; the learned mark between two parts of a picture."""


OPENING, CLOSING = -3, -4
"""In a route: the learned vectors before and after a view's tokens."""


@dataclass(frozen=True)
class Route:
    """One connector step as an index: token v that leaves is made of the tokens index_VM[v] that entered, in the shares
    weight_VM[v] where the step adds them up."""

    index_VM: Ints
    laid: Laid
    weight_VM: Floats | None = None


def unchanged(laid: Laid) -> Route:
    """Every token by itself, where it was."""
    return Route(np.arange(len(laid), dtype=np.int64)[:, None], laid)


def widened(parts: Sequence[Numbers], filler: int) -> Numbers:
    """Arrays of unequal width, one under the other, the narrow ones filled up."""
    width = max(part.shape[1] for part in parts)
    return np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=filler) for part in parts])


def cells_of(laid: Laid) -> list[Ints]:
    """The positions of each grid's tokens."""
    if not laid.grids:
        return []
    order = np.argsort(laid.place_V4[:, 0], kind="stable")
    return np.split(order, np.cumsum(np.bincount(laid.place_V4[:, 0], minlength=len(laid.grids)))[:-1])


def free(cells: Ints, laid: Laid) -> Ints:
    """Those of a view's tokens that may be made fewer: what stands for all of a view (a class token, a tally) stays as it is,
    where there are others."""
    whole_V = (laid.place_V4[cells, 2:] == WHOLE).all(1)
    return cells if whole_V.all() else cells[~whole_V]


def by_item(laid: Laid) -> Iterator[list[tuple[Grid, Ints]]]:
    """Each item's grids, with the positions of their tokens."""
    for _, views in groupby(zip(laid.grids, cells_of(laid), strict=True), key=lambda view: view[0].item):
        yield list(views)
