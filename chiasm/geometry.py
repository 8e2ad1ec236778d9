"""From a picture's size to its views, without a pixel: which resizes, pads and crops make each view, and the grid it becomes.

Everything that must agree with a checkpoint's preprocessing about sizes is here and nowhere else: counting reads the grids,
`pixels/views.py` executes the steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from chiasm.errors import BadPicture
from chiasm.place import Box, Grid
from chiasm.spec import Budget, Encoder, Native, Pinpoints, Pixels, Resize, TileGrid, Views

LARGEST_SIDE = 4096
"""Idefics3 never scales a side beyond this."""


@dataclass(frozen=True)
class Scale:
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


Stroke = Scale | Pad | Crop


@dataclass(frozen=True)
class View:
    """One picture handed to the encoder: the strokes that make it from the source, and its grid of patches."""

    strokes: tuple[Stroke, ...]
    grid: Grid


@dataclass(frozen=True)
class Size:
    """An upright picture's size in pixels."""

    width: int
    height: int


def views(spec: Views, pixels: Pixels, encoder: Encoder, size: Size, item: int) -> tuple[View, ...]:
    """The views of one picture in the order in which the family feeds them. Raises `BadPicture` for a size that the
    reference refuses too."""
    match spec:
        case Resize():
            strokes = [_resize(spec, pixels, size)]
        case Pinpoints():
            strokes = _pinpoints(spec, size)
        case TileGrid():
            strokes = _tile_grid(spec, size)
        case Native():
            strokes = [(Scale(*native_size(spec, size)),)]
        case Budget():
            strokes = [(Scale(*budget_size(spec, size)),)]
    return tuple(View(s, _grid(s, encoder, size, item)) for s in strokes)


def _grid(strokes: tuple[Stroke, ...], encoder: Encoder, size: Size, item: int) -> Grid:
    """The grid of patches of a view, and the rectangle of source pixels it shows, followed back through the strokes."""
    height, width = size.height, size.width
    x0, y0, per_x, per_y = 0.0, 0.0, 1.0, 1.0
    for stroke in strokes:
        match stroke:
            case Scale():
                per_x, per_y = per_x * width / stroke.width, per_y * height / stroke.height
            case Pad():
                x0, y0 = x0 - stroke.left * per_x, y0 - stroke.top * per_y
            case Crop():
                x0, y0 = x0 + stroke.left * per_x, y0 + stroke.top * per_y
        height, width = stroke.height, stroke.width
    box = Box(x0, y0, x0 + width * per_x, y0 + height * per_y)
    return Grid(item, 1, height // encoder.patch, width // encoder.patch, box)


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


def best_pinpoint(spec: Pinpoints, size: Size) -> tuple[int, int]:
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
