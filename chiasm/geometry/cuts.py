"""A picture scaled by its own edges first, then cut."""

from __future__ import annotations

import math

from chiasm.geometry.sizes import Size
from chiasm.geometry.strokes import Crop, Scale, Stroke
from chiasm.geometry.tiles import crops
from chiasm.slices import grid_of, sliced_size, whole_size
from chiasm.spec import Slices, TileGrid

LARGEST_SIDE = 4096
"""Idefics3 never scales a side beyond this."""


def tile_grid(spec: TileGrid, size: Size) -> list[tuple[Stroke, ...]]:
    """Tiles of the picture, its longest edge scaled and both raised to whole tiles, then the whole as one more (Idefics3,
    arXiv:2408.12637)."""
    height, width = _longest_edge(size, spec.longest)
    first = Scale(height, width)
    if not spec.split:
        return [(first, Scale(spec.tile, spec.tile))]
    high, wide = _raised(height, width, spec.tile)
    canvas = (first, Scale(high, wide))
    if high <= spec.tile and wide <= spec.tile:
        return [canvas]
    return [*((*canvas, crop) for crop in crops(high, wide, spec.tile)), (*canvas, Scale(spec.tile, spec.tile))]


def _longest_edge(size: Size, longest: int) -> tuple[int, int]:
    """Height and width with the longest edge at `longest`, the other made even by adding one, both below the cap."""
    ratio = size.width / size.height
    if size.width >= size.height:
        width, height = longest, int(longest / ratio)
        height += height % 2
    else:
        height, width = longest, int(longest * ratio)
        width += width % 2
    height, width = max(height, 1), max(width, 1)
    ratio = width / height
    if width >= height and width > LARGEST_SIDE:
        width, height = LARGEST_SIDE, int(LARGEST_SIDE / ratio)
    elif height > width and height > LARGEST_SIDE:
        height, width = LARGEST_SIDE, int(LARGEST_SIDE * ratio)
    return max(height, 1), max(width, 1)


def _raised(height: int, width: int, tile: int) -> tuple[int, int]:
    """Both edges raised to multiples of the tile, the longer one first and the other by the ratio."""
    ratio = width / height
    if width >= height:
        width = math.ceil(width / tile) * tile
        return math.ceil(int(width / ratio) / tile) * tile, width
    height = math.ceil(height / tile) * tile
    return height, math.ceil(int(height * ratio) / tile) * tile


def slices(spec: Slices, patch: int, size: Size) -> list[tuple[Stroke, ...]]:
    """The whole picture, then its slices row by row."""
    grid, step = grid_of(size.width, size.height, spec.side, spec.most), patch * spec.fold
    whole = (Scale(*whole_size(size.width, size.height, spec.side, step)),)
    if grid is None:
        return [whole]
    high, wide = sliced_size(size.width, size.height, grid, spec.side, step)
    canvas = Scale(high * grid[1], wide * grid[0])
    places = [(row * high, column * wide) for row in range(grid[1]) for column in range(grid[0])]
    return [whole, *((canvas, Crop(top, left, high, wide)) for top, left in places)]
