"""Routes that add tokens of the step's own: around a view, after a row, after a frame."""

from __future__ import annotations

import numpy as np

from chiasm.place.grids import WHOLE, Grid
from chiasm.place.laid import Laid
from chiasm.place.routes import BREAK, CLOSING, NEWLINE, OPENING, Route, cells_of
from chiasm.resample import Ints


def end_rows(laid: Laid) -> Route:
    """One more token after each row of cells."""
    indices, places, start = [], [], 0
    for number, grid in enumerate(laid.grids):
        cells = start + np.arange(grid.cells, dtype=np.int64).reshape(grid.t, grid.h, grid.w)
        indices.append(np.pad(cells, ((0, 0), (0, 0), (0, 1)), constant_values=NEWLINE).reshape(-1, 1))
        t, y, x = np.indices((grid.t, grid.h, grid.w + 1), np.int64).reshape(3, -1)
        places.append(np.stack([np.full_like(t, number), t, y, np.where(x == grid.w, WHOLE, x)], 1))
        start += grid.cells
    if not indices:
        return Route(np.zeros((0, 1), np.int64), laid)
    return Route(np.concatenate(indices), Laid(np.concatenate(places), laid.grids))


def end_frames(laid: Laid) -> Route:
    """One more token after each frame, another one after the last."""
    indices, places, start = [], [], 0
    for number, grid in enumerate(laid.grids):
        cells = start + np.arange(grid.cells, dtype=np.int64).reshape(grid.t, -1)
        ends_T = np.full(grid.t, NEWLINE)
        ends_T[-1] = BREAK
        indices.append(np.concatenate([cells, ends_T[:, None]], 1).reshape(-1, 1))
        own_TP4 = laid.place_V4[start : start + grid.cells].reshape(grid.t, -1, 4)
        end_T14 = np.full((grid.t, 1, 4), WHOLE)
        end_T14[:, 0, 0], end_T14[:-1, 0, 1] = number, np.arange(grid.t - 1)
        places.append(np.concatenate([own_TP4, end_T14], 1).reshape(-1, 4))
        start += grid.cells
    if not indices:
        return Route(np.zeros((0, 1), np.int64), laid)
    return Route(np.concatenate(indices), Laid(np.concatenate(places), laid.grids))


def enclose(laid: Laid) -> Route:
    """Every view's tokens between two that stand for the whole of it."""
    indices: list[Ints] = []
    places: list[Ints] = []
    for number, cells in enumerate(cells_of(laid)):
        whole = np.array([[number, WHOLE, WHOLE, WHOLE]], np.int64)
        indices += [np.array([OPENING]), cells, np.array([CLOSING])]
        places += [whole, laid.place_V4[cells], whole]
    if not places:
        return Route(np.zeros((0, 1), np.int64), laid)
    return Route(np.concatenate(indices)[:, None], Laid(np.concatenate(places), laid.grids))


def tally(tokens: int, laid: Laid) -> Route:
    """Every view's tokens, then so many that stand for the whole of it."""
    indices: list[Ints] = []
    places: list[Ints] = []
    for number, cells in enumerate(cells_of(laid)):
        indices += [cells, np.full(tokens, CLOSING)]
        places += [laid.place_V4[cells], np.tile(np.array([number, WHOLE, WHOLE, WHOLE], np.int64), (tokens, 1))]
    if not places:
        return Route(np.zeros((0, 1), np.int64), laid)
    return Route(np.concatenate(indices)[:, None], Laid(np.concatenate(places), laid.grids))


def with_ends(grid: Grid, number: int) -> Ints:
    """The places of a grid's cells, each row of them followed by its own end."""
    y, x = np.indices((grid.h, grid.w + 1), np.int64).reshape(2, -1)
    return np.stack([np.full_like(y, number), np.zeros_like(y), y, np.where(x == grid.w, WHOLE, x)], 1)
