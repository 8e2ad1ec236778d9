"""Views whose size follows the picture's."""

from __future__ import annotations

import math

from chiasm.errors import BadPicture
from chiasm.geometry.sizes import Size, too_thin
from chiasm.geometry.strokes import Blank, Crop, Pad, Scale, Stroke
from chiasm.spec import Bounded, Budget, Fitted, Longest, Native, Shortest


def native_size(spec: Native, size: Size) -> tuple[int, int]:
    """Height and width of the native-resolution resize: multiples of the factor, pixels within bounds, halves to even."""
    height, width, factor = size.height, size.width, spec.factor
    if min(height, width) < spec.shortest:
        message = (
            f"a picture of {width} x {height} pixels has an edge below {spec.shortest}, which this model refuses: enlarge it"
        )
        raise BadPicture(message)
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


def longest_raised(spec: Longest, size: Size) -> tuple[int, int]:
    """Height and width: cut down where an edge is too long, then raised to whole multiples."""
    height, width = size.height, size.width
    ratio = max(height / spec.longest, width / spec.longest)
    if ratio > 1:
        height, width = math.floor(height / ratio), math.floor(width / ratio)
    if min(height, width) < 1:
        raise BadPicture(too_thin(size))
    return -(-height // spec.factor) * spec.factor, -(-width // spec.factor) * spec.factor


def parts_of(spec: Bounded, size: Size) -> list[tuple[Crop | None, Size]]:
    """What of a picture is seen by itself: its quarters where it is split, and the whole."""
    high, wide = size.height // 2, size.width // 2
    corners = [(0, 0, high, wide), (0, wide, high, size.width - wide), (high, 0, size.height - high, wide)]
    corners.append((high, wide, size.height - high, size.width - wide))
    if spec.split and min(high, wide) < 1:
        raise BadPicture(too_thin(size))
    quarters = [(Crop(y, x, h, w), Size(w, h)) for y, x, h, w in corners] if spec.split else []
    return [*quarters, (None, size)]


def bounded(spec: Bounded, part: tuple[Crop | None, Size], patch: int) -> tuple[Stroke, ...]:
    """A picture, or a quarter of one, of its own shape between the shortest and the longest edge, in whole patches
    (Idefics2)."""
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


def fitted(spec: Fitted, size: Size, patch: int) -> tuple[Stroke, ...]:
    """The picture as it is where it fits into `height` x `width` pixels, else scaled into them, padded to whole patches (Fuyu).
    Raises `BadPicture` for one of which no pixel would be left."""
    height, width = size.height, size.width
    strokes: list[Stroke] = []
    if height > spec.height or width > spec.width:
        ratio = min(spec.height / height, spec.width / width)
        height, width = int(height * ratio), int(width * ratio)
        if min(height, width) < 1:
            raise BadPicture(too_thin(size))
        strokes.append(Scale(height, width))
    high = min(spec.height, math.ceil(height / patch) * patch)
    wide = min(spec.width, math.ceil(width / patch) * patch)
    return *strokes, Pad(0, 0, high, wide, (spec.colour,) * 3)


def shortest(spec: Shortest, size: Size, patch: int) -> tuple[Stroke, ...]:
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
        raise BadPicture(too_thin(size))
    high, wide = (-(-edge // patch) * patch for edge in (height, width))
    scaled = Scale(height, width)
    return (scaled,) if (high, wide) == (height, width) else (scaled, Blank(high, wide))
