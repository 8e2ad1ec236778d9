"""A picture as tiles whose rows and columns are chosen among those that a family lists or bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

from chiasm.errors import BadPicture
from chiasm.geometry.sizes import Size, too_thin
from chiasm.geometry.strokes import Crop, Pad, Sample, Scale, Stroke, View, view_of
from chiasm.spec import Candidates, Canvas, CoverTiles, DynamicTiles, Encoder, Pinpoints, Pixels


def pinpoints(spec: Pinpoints, size: Size) -> list[tuple[Stroke, ...]]:
    """The whole picture as one tile, then the tiles of the listed grid that suits it best (LLaVA-NeXT)."""
    high, wide = best_pinpoint(spec, size)
    canvas = _into(high, wide, size)
    tiles = [(*canvas, crop) for crop in crops(high, wide, spec.tile)]
    return [(Scale(spec.tile, spec.tile),), *tiles]


def on_canvas(spec: Canvas, size: Size) -> list[tuple[Stroke, ...]]:
    """The tiles of a canvas of at most `most`, the picture scaled into its first corner (Llama 3.2 Vision,
    arXiv:2407.21783)."""
    rows, columns = best_canvas(spec, size)
    high, wide = rows * spec.tile, columns * spec.tile
    most_high, most_wide = (min(max(edge, spec.tile), limit) for edge, limit in ((size.height, high), (size.width, wide)))
    by_height, by_width = most_high / size.height, most_wide / size.width
    if by_width < by_height:
        scale = Scale(min(math.floor(size.height * by_width) or 1, most_high), most_wide)
    else:
        scale = Scale(most_high, min(math.floor(size.width * by_height) or 1, most_wide))
    return [(scale, Pad(0, 0, high, wide), crop) for crop in crops(high, wide, spec.tile)]


def best_canvas(spec: Canvas, size: Size) -> tuple[int, int]:
    """The (rows, columns) of tiles that enlarge the picture least, or shrink it least where it fits into none; the fewest
    tiles among equals."""
    scales = {
        (rows, columns): min(rows * spec.tile / size.height, columns * spec.tile / size.width)
        for rows, columns in tilings(spec.most)
    }
    larger = [scale for scale in scales.values() if scale >= 1]
    best = min(larger) if larger else max(scales.values())
    return min((shape for shape, scale in scales.items() if scale == best), key=math.prod)


@cache
def tilings(most: int) -> tuple[tuple[int, int], ...]:
    """Every (rows, columns) of at most so many tiles, rows first."""
    counts = range(1, most + 1)
    return tuple((rows, columns) for rows in counts for columns in counts if rows * columns <= most)


def crops(height: int, width: int, tile: int) -> list[Crop]:
    """The tiles of a canvas of `height` x `width` pixels, row by row."""
    return [Crop(y, x, tile, tile) for y in range(0, height, tile) for x in range(0, width, tile)]


def _into(high: int, wide: int, size: Size) -> tuple[Stroke, ...]:
    """The picture scaled into a canvas, its shape kept, zeros around it in equal parts."""
    scale_wide, scale_high = wide / size.width, high / size.height
    if scale_wide < scale_high:
        height, width = min(math.ceil(size.height * scale_wide), high), wide
    else:
        height, width = high, min(math.ceil(size.width * scale_high), wide)
    return Scale(height, width), Pad((high - height) // 2, (wide - width) // 2, high, wide)


def best_pinpoint(spec: Pinpoints | Candidates, size: Size) -> tuple[int, int]:
    """The (height, width) that keeps most of the picture's own pixels, then wastes least; the first among equals."""
    best, most, least = (0, 0), 0, math.inf
    for high, wide in spec.grids:
        scale = min(wide / size.width, high / size.height)
        kept = min(int(size.width * scale) * int(size.height * scale), size.width * size.height)
        wasted = high * wide - kept
        if kept > most or (kept == most and wasted < least):
            best, most, least = (high, wide), kept, wasted
    return best


def dynamic_tiles(spec: DynamicTiles, size: Size) -> list[tuple[Stroke, ...]]:
    """The tiles of the grid whose shape is nearest to the picture's, then, where there are several, the whole as one more
    (InternVL, arXiv:2404.16821)."""
    columns, rows = nearest_grid(spec, size)
    whole: tuple[Stroke, ...] = (Scale(spec.tile, spec.tile),)
    if rows * columns == 1:
        return [whole]
    canvas = Scale(rows * spec.tile, columns * spec.tile)
    return [*((canvas, crop) for crop in crops(canvas.height, canvas.width, spec.tile)), whole]


def cover_tiles(spec: CoverTiles, pixels: Pixels, encoder: Encoder, size: Size, item: int) -> tuple[View, ...]:
    """The whole canvas as one view, then its tiles, of which each grid tells how far it is no padding (Phi-4-multimodal,
    arXiv:2503.01743). Raises `BadPicture` for a picture that would become too thin."""
    canvas = covering(spec, size)
    scale, white = canvas
    tiles = []
    for crop in crops(white.height, white.width, spec.tile):
        strokes = (*canvas, crop)
        # Patches that a part of the picture reaches into are seen whole.
        high, wide = (-(-edge // encoder.patch) * encoder.patch for edge in (scale.height, scale.width))
        edges = ((high - crop.top) // encoder.patch, (wide - crop.left) // encoder.patch)
        rows, columns = (min(max(edge, 0), spec.tile // encoder.patch) for edge in edges)
        view = view_of(strokes, encoder.patch, pixels, size, item)
        whole_tile = (rows, columns) == (view.grid.h, view.grid.w)
        tiles.append(view if whole_tile else replace(view, grid=replace(view.grid, seen=(rows, columns))))
    whole = (*canvas, Sample(spec.tile, spec.tile))
    return view_of(whole, encoder.patch, pixels, size, item), *tiles


LEAST_SIDE = 10
"""Pixels: Phi-4-multimodal refuses what would be thinner once it is scaled."""


def covering(spec: CoverTiles, size: Size) -> tuple[Scale, Pad]:
    """The picture scaled, and the canvas of whole tiles that it lies on."""
    found = covered(spec, size)
    if found.thinnest < LEAST_SIDE:
        raise BadPicture(too_thin(size))
    columns, rows = found.tiles
    return Scale(found.height, found.width), Pad(0, 0, rows * spec.tile, columns * spec.tile, (spec.colour,) * 3)


@dataclass(frozen=True)
class Covered:
    """A picture's size on a canvas of (columns, rows) tiles."""

    height: int
    width: int
    tiles: tuple[int, int]

    @property
    def thinnest(self) -> int:
        return min(self.height, self.width)


def covered(spec: CoverTiles, size: Size) -> Covered:
    """How large a picture becomes, however thin."""
    columns, rows = math.ceil(size.width / spec.tile), math.ceil(size.height / spec.tile)
    if columns * rows > spec.most:
        columns, rows = nearest_grid(DynamicTiles(spec.tile, spec.most), size)
    wide, high = columns * spec.tile, rows * spec.tile
    by_width, by_height = wide / size.width, high / size.height
    by_both = (int(size.height * by_width), wide) if by_width < by_height else (high, int(size.width * by_height))
    return Covered(*by_both, (columns, rows))


def nearest_grid(spec: DynamicTiles, size: Size) -> tuple[int, int]:
    """The (columns, rows) of tiles whose shape is nearest to the picture's; of equally near ones the largest that it fills by
    more than half."""
    shape, best, nearest = size.width / size.height, (1, 1), math.inf
    for columns, rows in _grids_of(spec.least, spec.most):
        away = abs(shape - columns / rows)
        filled = size.width * size.height > 0.5 * spec.tile * spec.tile * columns * rows
        if away < nearest or (away == nearest and filled):
            best, nearest = (columns, rows), away
    return best


@cache
def _grids_of(least: int, most: int) -> tuple[tuple[int, int], ...]:
    """Every (columns, rows) of so many tiles, fewest first."""
    counts = range(1, most + 1)
    return tuple(sorted(((x, y) for x in counts for y in counts if least <= x * y <= most), key=math.prod))


def candidates(spec: Candidates, pixels: Pixels, size: Size) -> list[tuple[Stroke, ...]]:
    """The whole picture, then the tiles of the listed grid that suits it best; of many pictures the whole of each alone
    (DeepSeek-VL2, arXiv:2412.10302)."""
    whole = _contained(spec.tile, spec.tile, pixels, size)
    high, wide = (spec.tile, spec.tile) if size.beside + 1 > spec.most else best_pinpoint(spec, size)
    canvas = _contained(high, wide, pixels, size)
    return [whole, *((*canvas, crop) for crop in crops(high, wide, spec.tile))]


def _contained(high: int, wide: int, pixels: Pixels, size: Size) -> tuple[Stroke, ...]:
    """The picture as large as it may be in the middle of a canvas in the colour of the mean, rounded as Pillow rounds."""
    height, width = high, wide
    if size.width / size.height > wide / high:
        height = round(size.height / size.width * wide)
    elif size.width / size.height < wide / high:
        width = round(size.width / size.height * high)
    if min(height, width) < 1:
        raise BadPicture(too_thin(size))
    if (height, width) == (high, wide):
        return (Scale(high, wide),)
    red, green, blue = (int(mean * 255) for mean in pixels.mean)
    top, left = round((high - height) * 0.5), round((wide - width) * 0.5)
    return Scale(height, width), Pad(top, left, high, wide, (red, green, blue))
