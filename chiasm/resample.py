"""Tokens of a grid resampled to another one: which old cells make a new cell, and with what weights."""

from __future__ import annotations

from typing import Any

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float32]]


def bilinear(rows: int, columns: int, to_rows: int, to_columns: int) -> tuple[Ints, Floats]:
    """(index_VM, weight_VM) of every new cell in raster order, four old ones each; cells' centres are aligned, and nothing is
    smoothed where a grid shrinks."""
    (above, below, down), (left, right, across) = _axis(rows, to_rows), _axis(columns, to_columns)
    corners = [(y[:, None] * columns + x[None]).reshape(-1) for y in (above, below) for x in (left, right)]
    weights = [(a[:, None] * b[None]).reshape(-1) for a in (1 - down, down) for b in (1 - across, across)]
    return np.stack(corners, 1), np.stack(weights, 1).astype(np.float32)


def bins(cells: int, to: int) -> tuple[Ints, Floats]:
    """(index, weight), each [to, M]: the neighbours that one axis is averaged over. Bins begin and end at whole cells and
    share those that an edge would cut; short ones are filled up with a cell that weighs nothing."""
    new = np.arange(to, dtype=np.int64)
    start, end = new * cells // to, -(-(new + 1) * cells // to)
    offsets = np.arange((end - start).max(), dtype=np.int64)
    inside = offsets < (end - start)[:, None]
    index = np.where(inside, start[:, None] + offsets, start[:, None])
    return index, (inside / (end - start)[:, None]).astype(np.float32)


def squares(rows: int, columns: int, side: int) -> Ints:
    """index_VM of every whole square of `side` cells a side, in raster order; what is left at the far edges belongs to none."""
    high, wide = rows // side, columns // side
    whole = np.arange(rows * columns, dtype=np.int64).reshape(rows, columns)[: high * side, : wide * side]
    return whole.reshape(high, side, wide, side).transpose(0, 2, 1, 3).reshape(high * wide, side * side)


def _axis(cells: int, to: int) -> tuple[Ints, Ints, Floats]:
    """The two old cells on either side of each new centre, and how near it is to the second."""
    place = np.maximum((np.arange(to, dtype=np.float32) + np.float32(0.5)) * np.float32(cells / to) - np.float32(0.5), 0)
    first = place.astype(np.int64)
    return first, np.minimum(first + 1, cells - 1), place - first
