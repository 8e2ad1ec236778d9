"""The field's folklore arithmetic: tokens from a resolution, a patch, tiles and a merge, without any checkpoint.

Articles and model cards count so; what a released checkpoint really does is `budget`'s to say, and often differs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from chiasm.errors import UserError
from chiasm.geometry import Size

Rounding = Literal["floor", "ceil", "nearest"]


@dataclass(frozen=True)
class RuleCount:
    """A rule's outcome for one picture: views (rows, columns of patches each) and tokens."""

    views: tuple[tuple[int, int], ...]
    tokens: int

    @property
    def patches(self) -> int:
        return sum(rows * columns for rows, columns in self.views)


@dataclass(frozen=True)
class Rule:
    """A plain rule. Sides in pixels.

    `patch`: a patch's side. `tile`: a tile's side; none: the whole picture is one view. `grid`: (rows, columns) of
    tiles; none: the picture's sides over the tile's, rounded. `merge`: that many patches a side become one token.
    `thumbnail`: one more tile of the whole picture, where there are several tiles. `rounding`: what happens to a side
    that is no multiple of patch x merge. `breaks`: one more token after each row of tokens. `cls`: one more token a
    view. `queries`: a fixed number of tokens a view whatever its patches (Q-Former, resampler).
    """

    patch: int
    tile: int | None = None
    grid: tuple[int, int] | None = None
    merge: int = 1
    thumbnail: bool = False
    rounding: Rounding = "floor"
    breaks: bool = False
    cls: bool = False
    queries: int | None = None

    def __post_init__(self) -> None:
        numbers = {"patch": self.patch, "merge": self.merge}
        numbers |= {"tile": self.tile} if self.tile is not None else {}
        numbers |= {"queries": self.queries} if self.queries is not None else {}
        numbers |= {"rows": self.grid[0], "columns": self.grid[1]} if self.grid is not None else {}
        for name, value in numbers.items():
            if value < 1:
                raise UserError(f"{name} is {value}; a rule needs at least 1.")
        if self.grid is not None and self.tile is None:
            raise UserError("a grid of tiles needs the side of a tile: --tile 336, for example.")

    @property
    def size(self) -> Size | None:
        """The picture that the rule itself describes: its grid of tiles, or one tile; none where it names no tile."""
        if self.tile is None:
            return None
        rows, columns = self.grid or (1, 1)
        return Size(columns * self.tile, rows * self.tile)

    def count(self, size: Size) -> RuleCount:
        """Tokens of one picture. Raises `UserError` where not even one token comes out of a side."""
        if self.tile is None:
            rows, columns = self._cells(size.height), self._cells(size.width)
            return self._sum([(rows, columns)], rows)
        side = self._cells(self.tile)
        down, across = self.grid or (self._tiles(size.height), self._tiles(size.width))
        tiles = [(side, side)] * (down * across)
        thumbnail = [(side, side)] if self.thumbnail and len(tiles) > 1 else []
        return self._sum(tiles + thumbnail, side * (down + len(thumbnail)))

    def _sum(self, cells: list[tuple[int, int]], broken: int) -> RuleCount:
        tokens = sum(self.queries or rows * columns for rows, columns in cells)
        tokens += (broken if self.breaks else 0) + (len(cells) if self.cls else 0)
        return RuleCount(tuple((rows * self.merge, columns * self.merge) for rows, columns in cells), tokens)

    def _cells(self, side: int) -> int:
        """Tokens along a side."""
        cells = self._rounded(side / (self.patch * self.merge))
        if cells < 1:
            unit = self.patch * self.merge
            raise UserError(f"a side of {side} pixels holds no cell of {unit} (patch x merge): lower either, or round up.")
        return cells

    def _tiles(self, side: int) -> int:
        assert self.tile is not None
        return max(1, self._rounded(side / self.tile))

    def _rounded(self, number: float) -> int:
        match self.rounding:
            case "floor":
                return math.floor(number)
            case "ceil":
                return math.ceil(number)
            case "nearest":
                return round(number)
