"""Where every visual token stands: grids, boxes, and the arithmetic of connectors on places.

A place is (grid, t, y, x); -1 means the whole of that axis. A connector step is first a `Route` - which tokens go into each
token that leaves it, and where that token stands - computed here from grids alone; the module that carries the weights
(connect/) only gathers along it. So counting, positions, boxes and the model's own output cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from chiasm.errors import BadPicture
from chiasm.spec import Encoder, JoinTiles, Merge, Mlp, Normed, Step, ViT

Ints = np.ndarray[Any, np.dtype[np.int64]]

WHOLE = -1
"""On an axis of a place: all of it."""

NEWLINE = -1
"""In a route: the learned newline instead of a token."""


@dataclass(frozen=True)
class Box:
    """A rectangle (x0, y0, x1, y1); `frame` says of what: source pixels (upright), or fractions of the picture."""

    x0: float
    y0: float
    x1: float
    y1: float
    frame: str = "source"

    def to_fraction(self, width: float, height: float) -> Box:
        """The same rectangle as fractions of a picture of `width` x `height` source pixels."""
        if self.frame != "source":
            raise ValueError(f"a box in the frame {self.frame!r} has no pixels to divide by")
        return Box(self.x0 / width, self.y0 / height, self.x1 / width, self.y1 / height, "fraction")

    def to_source(self, width: float, height: float) -> Box:
        """The inverse of `to_fraction`."""
        if self.frame != "fraction":
            raise ValueError(f"a box in the frame {self.frame!r} is not in fractions")
        return Box(self.x0 * width, self.y0 * height, self.x1 * width, self.y1 * height)


@dataclass(frozen=True)
class Grid:
    """One view of one item: `t` x `h` x `w` cells showing `box` of the source (which may reach outside: padding).

    `times`: seconds at which each step of t begins; empty for a still picture.
    """

    item: int
    t: int
    h: int
    w: int
    box: Box
    times: tuple[float, ...] = ()

    @property
    def cells(self) -> int:
        return self.t * self.h * self.w

    def cell(self, y: int, x: int) -> Box:
        """The source rectangle of the cell (y, x); WHOLE stands for a full axis."""
        x0, x1 = _interval(self.box.x0, self.box.x1, self.w, x)
        y0, y1 = _interval(self.box.y0, self.box.y1, self.h, y)
        return Box(x0, y0, x1, y1, self.box.frame)


def _interval(start: float, end: float, cells: int, cell: int) -> tuple[float, float]:
    """Where one of `cells` equal parts begins and ends; there may be none where the whole is asked for."""
    if cell == WHOLE:
        return start, end
    step = (end - start) / cells
    return start + cell * step, start + (cell + 1) * step


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


@dataclass(frozen=True)
class Route:
    """One connector step as an index: token v that leaves is made of the tokens index_VM[v] that entered."""

    index_VM: Ints
    laid: Laid


def raster(grids: Sequence[Grid]) -> Laid:
    """The cells of all grids, in order of t, then rows, then columns."""
    parts = []
    for number, grid in enumerate(grids):
        t, y, x = np.indices((grid.t, grid.h, grid.w), np.int64).reshape(3, -1)
        parts.append(np.stack([np.full_like(t, number), t, y, x], 1))
    return Laid(np.concatenate(parts) if parts else np.zeros((0, 4), np.int64), tuple(grids))


def encoded(encoder: Encoder, grids: Sequence[Grid]) -> Laid:
    """What leaves an encoder: the cells, and before each grid's cells its class token and registers where those are kept."""
    laid = raster(grids)
    if not isinstance(encoder, ViT) or encoder.cls != "keep":
        return laid
    starts = np.repeat(np.cumsum([0, *(g.cells for g in grids)])[:-1], encoder.extra)
    numbers = np.repeat(np.arange(len(grids)), encoder.extra)
    tokens = np.array([(g, WHOLE, WHOLE, WHOLE) for g in numbers], np.int64).reshape(-1, 4)
    return Laid(np.insert(laid.place_V4, starts, tokens, axis=0), laid.grids)


def route(step: Step, laid: Laid, sizes: Sequence[tuple[int, int]]) -> Route:
    """How one connector step moves tokens. `sizes` are the items' upright (width, height), which unpadding needs."""
    match step:
        case Mlp() | Normed():
            return Route(np.arange(len(laid), dtype=np.int64)[:, None], laid)
        case Merge(side):
            return _merge(side, laid)
        case JoinTiles(keeps):
            return _join(laid, [None] * len(sizes) if keeps == "canvas" else sizes)


def leaves(step: Step, width: int) -> int:
    """The width of the tokens that leave a step which `width` entered."""
    match step:
        case Mlp():
            return step.width
        case Merge(side):
            return width * side * side
        case Normed() | JoinTiles():
            return width


def connect(steps: Sequence[Step], laid: Laid, sizes: Sequence[tuple[int, int]]) -> Laid:
    """The places after all steps of a connector."""
    for step in steps:
        laid = route(step, laid, sizes).laid
    return laid


def _merge(side: int, laid: Laid) -> Route:
    indices, places, grids, start = [], [], [], 0
    for number, grid in enumerate(laid.grids):
        if grid.h % side or grid.w % side:
            message = (
                f"a grid of {grid.h} x {grid.w} patches cannot be merged {side} by {side}: "
                "choose a resolution whose patches divide evenly"
            )
            raise BadPicture(message)
        small = replace(grid, h=grid.h // side, w=grid.w // side)
        cells = start + np.arange(grid.cells, dtype=np.int64)
        blocks = cells.reshape(grid.t, small.h, side, small.w, side).transpose(0, 1, 3, 2, 4)
        indices.append(blocks.reshape(-1, side * side))
        t, y, x = np.indices((small.t, small.h, small.w), np.int64).reshape(3, -1)
        places.append(np.stack([np.full_like(t, number), t, y, x], 1))
        grids.append(small)
        start += grid.cells
    if not grids:
        return Route(np.zeros((0, side * side), np.int64), laid)
    return Route(np.concatenate(indices), Laid(np.concatenate(places), tuple(grids)))


def _join(laid: Laid, sizes: Sequence[tuple[int, int] | None]) -> Route:
    """`sizes` of the pictures that padding is to be cut from; none where the whole canvas stays."""
    if not laid.grids:
        return Route(np.zeros((0, 1), np.int64), laid)
    indices: list[Ints] = []
    places: list[Ints] = []
    grids: list[Grid] = []
    for views in _by_item(laid):
        (base, base_cells), *tiles = views
        base_V4 = laid.place_V4[base_cells]
        base_V4[:, 0] = len(grids)
        places.append(base_V4)
        indices.append(base_cells)
        grids.append(base)
        if tiles:
            index, place_V4, grid = _assemble(tiles, sizes[base.item])
            indices.append(index)
            place_V4[:, 0] = len(grids)
            places.append(place_V4)
            grids.append(grid)
    return Route(np.concatenate(indices)[:, None], Laid(np.concatenate(places), tuple(grids)))


def _by_item(laid: Laid) -> Iterator[list[tuple[Grid, Ints]]]:
    """Each item's grids, with the positions of their tokens."""
    order = np.argsort(laid.place_V4[:, 0], kind="stable")
    cells = np.split(order, np.cumsum(np.bincount(laid.place_V4[:, 0], minlength=len(laid.grids)))[:-1])
    for _, views in groupby(zip(laid.grids, cells, strict=True), key=lambda view: view[0].item):
        yield list(views)


def _assemble(tiles: Sequence[tuple[Grid, Ints]], size: tuple[int, int] | None) -> tuple[Ints, Ints, Grid]:
    """Tiles as one canvas, or as the picture of that size on it with a newline after every row."""
    first, last = tiles[0][0], tiles[-1][0]
    columns = round((last.box.x1 - first.box.x0) / (first.box.x1 - first.box.x0))
    rows = len(tiles) // columns
    stacked = np.stack([cells.reshape(first.h, first.w) for _, cells in tiles]).reshape(rows, columns, first.h, first.w)
    whole = stacked.transpose(0, 2, 1, 3).reshape(rows * first.h, columns * first.w)
    canvas = Grid(first.item, 1, *whole.shape, replace(last.box, x0=first.box.x0, y0=first.box.y0))
    if size is None:
        return whole.reshape(-1), raster([canvas]).place_V4, canvas
    top, bottom, left, right = unpadded(rows * first.h, columns * first.w, *size)
    kept = whole[top:bottom, left:right]
    high, wide = kept.shape
    index = np.concatenate([kept, np.full((high, 1), NEWLINE)], 1).reshape(-1)
    y, x = np.indices((high, wide + 1), np.int64).reshape(2, -1)
    x[x == wide] = WHOLE
    zero = np.zeros_like(y)
    corner, end = canvas.cell(top, left), canvas.cell(bottom - 1, right - 1)
    grid = Grid(first.item, 1, high, wide, Box(corner.x0, corner.y0, end.x1, end.y1))
    return index, np.stack([zero, zero, y, x], 1), grid


def unpadded(rows: int, columns: int, width: int, height: int) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of the cells of a padded canvas that show a picture of `width` x `height`.

    The rounding is LLaVA-NeXT's: the kept side is computed to seven decimals and cut, padding taken equally off both ends.
    """
    if width / height > columns / rows:
        kept = int(round(height * (columns / width), 7))
        pad = (rows - kept) // 2
        return pad, rows - pad, 0, columns
    kept = int(round(width * (rows / height), 7))
    pad = (columns - kept) // 2
    return 0, rows, pad, columns - pad
