"""From a picture's size to its views, without a pixel: which resizes, pads and crops make each view, and the grid it becomes.

Everything that must agree with a checkpoint's preprocessing about sizes is here and nowhere else: counting reads the grids,
`pixels/views.py` executes the steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from chiasm.errors import BadPicture
from chiasm.place import Box, Grid
from chiasm.slices import grid_of, sliced_size, whole_size
from chiasm.spec import (
    Both,
    Bounded,
    Budget,
    Candidates,
    Canvas,
    Corner,
    CoverTiles,
    DynamicTiles,
    Encoder,
    Fitted,
    Letterbox,
    Longest,
    LowHigh,
    Native,
    Pinpoints,
    Pixels,
    Resize,
    Sheet,
    Shortest,
    Slices,
    TileGrid,
    Views,
)

LARGEST_SIDE = 4096
"""Idefics3 never scales a side beyond this."""


@dataclass(frozen=True)
class Scale:
    height: int
    width: int


@dataclass(frozen=True)
class Sample:
    """The numbers of the pixels between which the new ones fall, cubic and unsmoothed: fractions stay fractions."""

    height: int
    width: int


@dataclass(frozen=True)
class Pad:
    """The picture stands at (top, left) of a canvas of one colour."""

    top: int
    left: int
    height: int
    width: int
    colour: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True)
class Crop:
    """A window; what of it lies outside the picture is zero."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Blank:
    """The picture stands at the upper left of a canvas whose rest is zero once pixels are numbers; the last of a view's
    strokes."""

    height: int
    width: int


@dataclass(frozen=True)
class Turn:
    """A quarter clockwise, which exchanges the sides; a view's first stroke."""

    height: int
    width: int


Stroke = Scale | Pad | Crop | Blank | Sample | Turn


@dataclass(frozen=True)
class View:
    """One picture handed to the encoder: the strokes that make it from the source, how its pixels become numbers, and its grid
    of patches of `patch` pixels a side."""

    strokes: tuple[Stroke, ...]
    grid: Grid
    patch: int
    pixels: Pixels


@dataclass(frozen=True)
class Size:
    """An upright picture's size in pixels; `beside` is how many others its conversation shows."""

    width: int
    height: int
    beside: int = 0


def together(sizes: Sequence[Size]) -> list[Size]:
    """Sizes of pictures that one conversation shows."""
    return [replace(size, beside=len(sizes) - 1) for size in sizes]


def views(spec: Views, pixels: Pixels, encoder: Encoder, size: Size, item: int) -> tuple[View, ...]:
    """The views of one picture in the order in which the family feeds them. Raises `BadPicture` for a size that the
    reference refuses too."""
    match spec:
        case Resize():
            strokes = [_resize(spec, pixels, size)]
        case Canvas():
            strokes = _canvas(spec, size)
        case Pinpoints():
            strokes = _pinpoints(spec, size)
        case TileGrid():
            strokes = _tile_grid(spec, size)
        case Native():
            strokes = [(Scale(*native_size(spec, size)),)]
        case Budget():
            strokes = [(Scale(*budget_size(spec, size)),)]
        case DynamicTiles():
            strokes = _dynamic_tiles(spec, size)
        case Longest():
            strokes = [(Scale(*_longest_raised(spec, size)),)]
        case Bounded():
            strokes = [_bounded(spec, part, encoder.patch) for part in _parts(spec, size)]
        case Letterbox():
            strokes = [_letterbox(spec, pixels, size)]
        case Slices():
            strokes = _slices(spec, encoder.patch, size)
        case Corner(side):
            strokes = [(Scale(*corner_size(spec, size)), Blank(side, side))]
        case Fitted():
            strokes = [_fitted(spec, size, encoder.patch)]
        case CoverTiles():
            return _cover_tiles(spec, pixels, encoder, size, item)
        case Candidates():
            strokes = _candidates(spec, pixels, size)
        case Shortest():
            strokes = [_shortest(spec, size, encoder.patch)]
        case Sheet():
            strokes = [_sheet(spec, size)]
        case LowHigh():
            return _low_high(spec, pixels, encoder, size, item)
    return tuple(_view(s, encoder.patch, pixels, size, item) for s in strokes)


def _view(strokes: tuple[Stroke, ...], patch: int, pixels: Pixels, size: Size, item: int) -> View:
    return View(strokes, _grid(strokes, patch, size, item), patch, pixels)


def _grid(strokes: tuple[Stroke, ...], patch: int, size: Size, item: int) -> Grid:
    """The grid of patches of a view, and the rectangle of source pixels it shows, followed back through the strokes."""
    height, width = size.height, size.width
    x0, y0, per_x, per_y = 0.0, 0.0, 1.0, 1.0
    for stroke in strokes:
        match stroke:
            case Scale() | Sample():
                per_x, per_y = per_x * width / stroke.width, per_y * height / stroke.height
            case Pad():
                x0, y0 = x0 - stroke.left * per_x, y0 - stroke.top * per_y
            case Crop():
                x0, y0 = x0 + stroke.left * per_x, y0 + stroke.top * per_y
            case Blank() | Turn():
                pass
        height, width = stroke.height, stroke.width
    x1, y1 = x0 + width * per_x, y0 + height * per_y
    if isinstance(strokes[0], Turn):
        box = Box(y0, size.height - x1, y1, size.height - x0)
        return Grid(item, 1, height // patch, width // patch, box, turn="clockwise")
    return Grid(item, 1, height // patch, width // patch, Box(x0, y0, x1, y1))


def _resize(spec: Resize, pixels: Pixels, size: Size) -> tuple[Stroke, ...]:
    if spec.fit == "squash":
        return (Scale(spec.height, spec.width),)
    strokes: list[Stroke] = []
    if spec.fit == "pad" and size.width != size.height:
        side = max(size.width, size.height)
        red, green, blue = (int(mean * 255) for mean in pixels.mean)
        strokes.append(Pad((side - size.height) // 2, (side - size.width) // 2, side, side, (red, green, blue)))
        size = Size(side, side)
    shortest = spec.shortest or spec.height
    short, long = sorted((size.width, size.height))
    longest = int(shortest * long / short)
    height, width = (longest, shortest) if size.height >= size.width else (shortest, longest)
    strokes.append(Scale(height, width))
    strokes.extend(_centre(height, width, spec))
    return tuple(strokes)


def _centre(height: int, width: int, spec: Resize) -> list[Stroke]:
    """The centre of a picture; where it is smaller than the crop, zeros around it."""
    if (height, width) == (spec.height, spec.width):
        return []
    margins = (height - spec.height, width - spec.width)
    top, left = (round(m / 2) if spec.centre == "even" else m // 2 for m in margins)
    return [Crop(top, left, spec.height, spec.width)]


def _pinpoints(spec: Pinpoints, size: Size) -> list[tuple[Stroke, ...]]:
    high, wide = best_pinpoint(spec, size)
    canvas = _into(high, wide, size)
    tiles = [(*canvas, crop) for crop in _tiles(high, wide, spec.tile)]
    return [(Scale(spec.tile, spec.tile),), *tiles]


def _canvas(spec: Canvas, size: Size) -> list[tuple[Stroke, ...]]:
    rows, columns = best_canvas(spec, size)
    high, wide = rows * spec.tile, columns * spec.tile
    most_high, most_wide = (min(max(edge, spec.tile), limit) for edge, limit in ((size.height, high), (size.width, wide)))
    by_height, by_width = most_high / size.height, most_wide / size.width
    if by_width < by_height:
        scale = Scale(min(math.floor(size.height * by_width) or 1, most_high), most_wide)
    else:
        scale = Scale(most_high, min(math.floor(size.width * by_height) or 1, most_wide))
    return [(scale, Pad(0, 0, high, wide), crop) for crop in _tiles(high, wide, spec.tile)]


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


def _tiles(height: int, width: int, tile: int) -> list[Crop]:
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


def _tile_grid(spec: TileGrid, size: Size) -> list[tuple[Stroke, ...]]:
    height, width = _longest_edge(size, spec.longest)
    first = Scale(height, width)
    if not spec.split:
        return [(first, Scale(spec.tile, spec.tile))]
    high, wide = _raised(height, width, spec.tile)
    canvas = (first, Scale(high, wide))
    if high <= spec.tile and wide <= spec.tile:
        return [canvas]
    return [*((*canvas, crop) for crop in _tiles(high, wide, spec.tile)), (*canvas, Scale(spec.tile, spec.tile))]


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


def native_size(spec: Native, size: Size) -> tuple[int, int]:
    """Height and width of the native-resolution resize: multiples of the factor, pixels within bounds, halves to even."""
    height, width, factor = size.height, size.width, spec.factor
    if max(height, width) / min(height, width) > spec.ratio:
        message = (
            f"a picture of {width} x {height} pixels has a ratio of edges above {spec.ratio:g}, which this model refuses: "
            "crop it or add a margin"
        )
        raise BadPicture(message)
    high, wide = round(height / factor) * factor, round(width / factor) * factor
    if high * wide > spec.most:
        beta = math.sqrt(height * width / spec.most)
        high = max(factor, math.floor(height / beta / factor) * factor)
        wide = max(factor, math.floor(width / beta / factor) * factor)
    elif high * wide < spec.least:
        beta = math.sqrt(spec.least / (height * width))
        high, wide = math.ceil(height * beta / factor) * factor, math.ceil(width * beta / factor) * factor
    return high, wide


def budget_size(spec: Budget, size: Size) -> tuple[int, int]:
    """Height and width of the largest picture within the budget. The scale is found by halving an interval down to 1e-5, as
    the reference finds it: an exact solution would differ at some sizes."""

    def scaled(scale: float) -> tuple[int, int]:
        high, wide = (max(1, math.ceil(side * scale / spec.patch)) * spec.patch for side in (size.height, size.width))
        return high, wide

    least, most = 1e-6, 100.0
    while most - least >= 1e-5:
        middle = (least + most) / 2
        high, wide = scaled(middle)
        if (high / spec.patch) * (wide / spec.patch) <= spec.most:
            least = middle
        else:
            most = middle
    return scaled(least)


def _dynamic_tiles(spec: DynamicTiles, size: Size) -> list[tuple[Stroke, ...]]:
    columns, rows = nearest_grid(spec, size)
    whole: tuple[Stroke, ...] = (Scale(spec.tile, spec.tile),)
    if rows * columns == 1:
        return [whole]
    canvas = Scale(rows * spec.tile, columns * spec.tile)
    return [*((canvas, crop) for crop in _tiles(canvas.height, canvas.width, spec.tile)), whole]


def _cover_tiles(spec: CoverTiles, pixels: Pixels, encoder: Encoder, size: Size, item: int) -> tuple[View, ...]:
    canvas = covering(spec, size)
    scale, white = canvas
    tiles = []
    for crop in _tiles(white.height, white.width, spec.tile):
        strokes = (*canvas, crop)
        # Patches that a part of the picture reaches into are seen whole.
        high, wide = (-(-edge // encoder.patch) * encoder.patch for edge in (scale.height, scale.width))
        edges = ((high - crop.top) // encoder.patch, (wide - crop.left) // encoder.patch)
        rows, columns = (min(max(edge, 0), spec.tile // encoder.patch) for edge in edges)
        view = _view(strokes, encoder.patch, pixels, size, item)
        whole_tile = (rows, columns) == (view.grid.h, view.grid.w)
        tiles.append(view if whole_tile else replace(view, grid=replace(view.grid, seen=(rows, columns))))
    whole = (*canvas, Sample(spec.tile, spec.tile))
    return _view(whole, encoder.patch, pixels, size, item), *tiles


LEAST_SIDE = 10
"""Pixels: Phi-4-multimodal refuses what would be thinner once it is scaled."""


def covering(spec: CoverTiles, size: Size) -> tuple[Scale, Pad]:
    """The picture scaled, and the canvas of whole tiles that it lies on."""
    columns, rows = math.ceil(size.width / spec.tile), math.ceil(size.height / spec.tile)
    if columns * rows > spec.most:
        columns, rows = nearest_grid(DynamicTiles(spec.tile, spec.most), size)
    wide, high = columns * spec.tile, rows * spec.tile
    by_width, by_height = wide / size.width, high / size.height
    by_both = (int(size.height * by_width), wide) if by_width < by_height else (high, int(size.width * by_height))
    scale = Scale(*by_both)
    if min(scale.height, scale.width) < LEAST_SIDE:
        raise BadPicture(_too_thin(size))
    return scale, Pad(0, 0, high, wide, (spec.colour,) * 3)


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


def _longest_raised(spec: Longest, size: Size) -> tuple[int, int]:
    """Height and width: cut down where an edge is too long, then raised to whole multiples."""
    height, width = size.height, size.width
    ratio = max(height / spec.longest, width / spec.longest)
    if ratio > 1:
        height, width = math.floor(height / ratio), math.floor(width / ratio)
    if min(height, width) < 1:
        raise BadPicture(_too_thin(size))
    return -(-height // spec.factor) * spec.factor, -(-width // spec.factor) * spec.factor


def _parts(spec: Bounded, size: Size) -> list[tuple[Crop | None, Size]]:
    """What of a picture is seen by itself: its quarters where it is split, and the whole."""
    high, wide = size.height // 2, size.width // 2
    corners = [(0, 0, high, wide), (0, wide, high, size.width - wide), (high, 0, size.height - high, wide)]
    corners.append((high, wide, size.height - high, size.width - wide))
    if spec.split and min(high, wide) < 1:
        raise BadPicture(_too_thin(size))
    quarters = [(Crop(y, x, h, w), Size(w, h)) for y, x, h, w in corners] if spec.split else []
    return [*quarters, (None, size)]


def _bounded(spec: Bounded, part: tuple[Crop | None, Size], patch: int) -> tuple[Stroke, ...]:
    crop, size = part
    height, width, ratio = size.height, size.width, size.width / size.height
    if width >= height and width > spec.longest:
        height, width = int(spec.longest / ratio), spec.longest
    elif height > width and height > spec.longest:
        height, width = spec.longest, int(spec.longest * ratio)
    height, width = max(height, spec.shortest), max(width, spec.shortest)
    # Cutting the rest of the last patches here keeps the grid's box true to what is seen.
    seen = Crop(0, 0, height // patch * patch, width // patch * patch)
    scaled = (Scale(height, width),) if (seen.height, seen.width) == (height, width) else (Scale(height, width), seen)
    return scaled if crop is None else (crop, *scaled)


def _letterbox(spec: Letterbox, pixels: Pixels, size: Size) -> tuple[Stroke, ...]:
    shrink = spec.side / max(size.height, size.width)
    height, width = (max(round(edge * shrink), spec.least) for edge in (size.height, size.width))
    scale = Scale(height, width)
    if height == width:
        return (scale,)
    side = max(height, width)
    red, green, blue = (int(mean * 255) for mean in pixels.mean)
    return scale, Pad((side - height) // 2, (side - width) // 2, side, side, (red, green, blue))


def _candidates(spec: Candidates, pixels: Pixels, size: Size) -> list[tuple[Stroke, ...]]:
    whole = _contained(spec.tile, spec.tile, pixels, size)
    high, wide = (spec.tile, spec.tile) if size.beside + 1 > spec.most else best_pinpoint(spec, size)
    canvas = _contained(high, wide, pixels, size)
    return [whole, *((*canvas, crop) for crop in _tiles(high, wide, spec.tile))]


def _contained(high: int, wide: int, pixels: Pixels, size: Size) -> tuple[Stroke, ...]:
    """The picture as large as it may be in the middle of a canvas in the colour of the mean, rounded as Pillow rounds."""
    height, width = high, wide
    if size.width / size.height > wide / high:
        height = round(size.height / size.width * wide)
    elif size.width / size.height < wide / high:
        width = round(size.width / size.height * high)
    if min(height, width) < 1:
        raise BadPicture(_too_thin(size))
    if (height, width) == (high, wide):
        return (Scale(high, wide),)
    red, green, blue = (int(mean * 255) for mean in pixels.mean)
    top, left = round((high - height) * 0.5), round((wide - width) * 0.5)
    return Scale(height, width), Pad(top, left, high, wide, (red, green, blue))


def _low_high(spec: LowHigh, pixels: Pixels, encoder: Encoder, size: Size, item: int) -> tuple[View, View]:
    assert isinstance(encoder, Both)
    high = _letterbox(spec.high, spec.pixels, size)
    low = (*high, Scale(spec.low, spec.low))
    return _view(low, encoder.low.patch, pixels, size, item), _view(high, encoder.high.tower.patch, spec.pixels, size, item)


def corner_size(spec: Corner, size: Size) -> tuple[int, int]:
    """Height and width with the longest edge at `side`, halves up."""
    scale = spec.side * 1.0 / max(size.height, size.width)
    height, width = int(size.height * scale + 0.5), int(size.width * scale + 0.5)
    if min(height, width) < 1:
        raise BadPicture(_too_thin(size))
    return height, width


def _fitted(spec: Fitted, size: Size, patch: int) -> tuple[Stroke, ...]:
    height, width = size.height, size.width
    strokes: list[Stroke] = []
    if height > spec.height or width > spec.width:
        ratio = min(spec.height / height, spec.width / width)
        height, width = int(height * ratio), int(width * ratio)
        if min(height, width) < 1:
            raise BadPicture(_too_thin(size))
        strokes.append(Scale(height, width))
    high = min(spec.height, math.ceil(height / patch) * patch)
    wide = min(spec.width, math.ceil(width / patch) * patch)
    return *strokes, Pad(0, 0, high, wide, (spec.colour,) * 3)


def _shortest(spec: Shortest, size: Size, patch: int) -> tuple[Stroke, ...]:
    """The scaled shortest edge is rounded, but the other follows the number before rounding where the longest edge ruled."""
    short, long = sorted((size.width, size.height))
    edge = float(spec.shortest)
    if long / short * edge > spec.longest:
        edge = spec.longest * short / long
    whole = round(edge)
    if short == whole:
        height, width = size.height, size.width
    elif size.width < size.height:
        height, width = int(edge * size.height / size.width), whole
    else:
        height, width = whole, int(edge * size.width / size.height)
    if min(height, width) < 1:
        raise BadPicture(_too_thin(size))
    high, wide = (-(-edge // patch) * patch for edge in (height, width))
    scaled = Scale(height, width)
    return (scaled,) if (high, wide) == (height, width) else (scaled, Blank(high, wide))


def _slices(spec: Slices, patch: int, size: Size) -> list[tuple[Stroke, ...]]:
    """The whole picture, then its slices row by row."""
    grid = grid_of(size.width, size.height, spec.side, spec.most)
    whole = (Scale(*whole_size(size.width, size.height, spec.side, patch)),)
    if grid is None:
        return [whole]
    high, wide = sliced_size(size.width, size.height, grid, spec.side, patch)
    canvas = Scale(high * grid[1], wide * grid[0])
    places = [(row * high, column * wide) for row in range(grid[1]) for column in range(grid[0])]
    return [whole, *((canvas, Crop(top, left, high, wide)) for top, left in places)]


def _sheet(spec: Sheet, size: Size) -> tuple[Stroke, ...]:
    strokes: list[Stroke] = []
    height, width = size.height, size.width
    if spec.turn == "to_fit" and (spec.height - spec.width) * (height - width) < 0:
        height, width = width, height
        strokes.append(Turn(height, width))
    shortest, (short, long) = min(spec.height, spec.width), sorted((height, width))
    longest = int(shortest * long / short)
    height, width = (longest, shortest) if height >= width else (shortest, longest)
    strokes.append(Scale(height, width))
    high, wide = min(height, spec.height), min(width, spec.width)
    if (high, wide) != (height, width):
        if height > width:
            wide = width * high // height
        elif width > height:
            high = height * wide // width
        if min(high, wide) < 1:
            raise BadPicture(_too_thin(size))
        strokes.append(Scale(high, wide))
    strokes.append(Pad((spec.height - high) // 2, (spec.width - wide) // 2, spec.height, spec.width))
    return tuple(strokes)


def _too_thin(size: Size) -> str:
    return (
        f"a picture of {size.width} x {size.height} pixels is too thin for this model, which would leave no pixel of its "
        "shorter edge: crop it or add a margin"
    )
