"""What makes a view from its picture, and the grid of patches that it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chiasm.geometry.sizes import Size
from chiasm.place import Box, Grid
from chiasm.spec import Pixels


@dataclass(frozen=True)
class Scale:
    """Pillow's resizing to `height` x `width` pixels."""

    height: int
    width: int


@dataclass(frozen=True)
class Sample:
    """The numbers of the pixels between which the new ones fall, cubic and unsmoothed or linear and smoothed: fractions stay
    fractions."""

    height: int
    width: int
    by: Literal["cubic", "smooth"] = "cubic"


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


def view_of(strokes: tuple[Stroke, ...], patch: int, pixels: Pixels, size: Size, item: int) -> View:
    """The view of item number `item` that these strokes make of a picture of that size, in patches of `patch` pixels a side."""
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
