"""Views as grids of cells, and how the tiles of one picture lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from chiasm.place.boxes import NOWHERE, Box

WHOLE = -1
"""On an axis of a place: all of it."""


@dataclass(frozen=True)
class Grid:
    """One view of one item: `t` x `h` x `w` cells showing `box` of the source (which may reach outside: padding).

    `times`: seconds at which each step of t begins; empty for a still picture. `seen`: how many rows and columns of cells,
    from the top left, are more than padding; none: all of them. Tokens do not look at the others.
    """

    item: int
    t: int
    h: int
    w: int
    box: Box
    times: tuple[float, ...] = ()
    seen: tuple[int, int] | None = None
    turn: Literal["upright", "clockwise"] = "upright"
    """How the view shows its box: rows as the picture has them, or columns from the left, each from its lower end."""
    share: float = 1.0
    """How much of its tokens is left by a policy that looked at the picture, where its views are the same for every one."""

    @property
    def cells(self) -> int:
        return self.t * self.h * self.w

    @property
    def moves(self) -> bool:
        """Whether this is a clip, if only of one frame."""
        return bool(self.times)

    @property
    def shown(self) -> tuple[int, int]:
        """How many rows and columns show anything."""
        return self.seen or (self.h, self.w)

    @property
    def shows(self) -> bool:
        """Whether there is anything to see: not in an unused tile, nor in a place for a picture that has none."""
        return self.box != NOWHERE

    def cell(self, y: int, x: int) -> Box:
        """The source rectangle of the cell (y, x); WHOLE stands for a full axis."""
        match self.turn:
            case "upright":
                x0, x1 = _interval(self.box.x0, self.box.x1, self.w, x)
                y0, y1 = _interval(self.box.y0, self.box.y1, self.h, y)
            case "clockwise":
                x0, x1 = _interval(self.box.x0, self.box.x1, self.h, y)
                y1, y0 = _interval(self.box.y1, self.box.y0, self.w, x)
        return Box(x0, y0, x1, y1, self.box.frame)


def _interval(start: float, end: float, cells: int, cell: int) -> tuple[float, float]:
    """Where one of `cells` equal parts begins and ends; there may be none where the whole is asked for."""
    if cell == WHOLE:
        return start, end
    step = (end - start) / cells
    return start + cell * step, start + (cell + 1) * step


def canvases(grids: Sequence[Grid]) -> list[list[Grid]]:
    """The tiles of each picture."""
    return [list(tiles) for _, tiles in groupby(grids, key=lambda grid: grid.item)]


def filled(tiles: Sequence[Grid], most: int) -> list[Grid]:
    """A picture's tiles and the unused ones after them."""
    return [*tiles, *[replace(tiles[-1], box=NOWHERE)] * (most - len(tiles))]


def tiling(tiles: Sequence[Grid]) -> tuple[int, int]:
    """The (rows, columns) of tiles that were cut row by row."""
    columns = len({tile.box.x0 for tile in tiles})
    return len(tiles) // columns, columns


def coarser(grid: Grid, side: int) -> Grid:
    """The same view in cells of `side` x `side` of its own, the last of which may reach beyond its edge."""
    h, w, box = -(-grid.h // side), -(-grid.w // side), grid.box
    down, across = h * side / grid.h, w * side / grid.w
    match grid.turn:
        case "upright":
            wide, high = (box.x1 - box.x0) * across, (box.y1 - box.y0) * down
            box = replace(box, x1=box.x0 + wide, y1=box.y0 + high)
        case "clockwise":
            wide, high = (box.x1 - box.x0) * down, (box.y1 - box.y0) * across
            box = replace(box, x1=box.x0 + wide, y0=box.y1 - high)
    return replace(grid, h=h, w=w, box=box)


def drawn(grid: Grid, patch: int, size: tuple[int, int]) -> tuple[int, int]:
    """How many pixels, (height, width), a picture of that (width, height) has in a view whose last cells reach beyond it."""
    width, height = size
    high, wide = grid.h * patch * height / (grid.box.y1 - grid.box.y0), grid.w * patch * width / (grid.box.x1 - grid.box.x0)
    return round(high), round(wide)
