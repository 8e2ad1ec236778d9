"""What a plan is told of pictures, which is never a pixel: from the size of each to its grids and its visual tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chiasm.errors import BadPrompt
from chiasm.geometry import Size, clip_view, views
from chiasm.place import Grid, Laid, connect, encoded
from chiasm.prompt.marks import controls
from chiasm.spec import AddByBox, Alone, Cross, Expert, Frames, Fusion, Sight, Splice, Writer


@dataclass(frozen=True)
class Clip:
    """A video: the grid of its patches, its seconds in `grid.times`, and where they are known its frames' upright size."""

    grid: Grid
    size: Size | None = None


@dataclass(frozen=True)
class Blank:
    """A place for a picture that has none, as some references fill rows up with; its grid shows nothing."""

    grid: Grid


Item = Size | Clip | Blank
"""A picture by its upright size, a video by its grid, or none."""


def lay(spec: Writer, items: Sequence[Item]) -> tuple[tuple[Grid, ...], Laid, list[int]]:
    """The patch grids of all items, the places of all visual tokens, and how many each item has: from sizes alone."""
    if spec.sight is None:
        if items:
            shown = f"{len(items)} picture{'s' if len(items) > 1 else ''}"
            raise BadPrompt(f"{shown} for a model of text alone: choose a model that sees")
        return (), Laid(np.zeros((0, 4), np.int64), ()), []
    grids = tuple(grid for number, item in enumerate(items) for grid in grids_of(spec.sight, item, number))
    laid = connect(spec.sight.connector, encoded(spec.sight.encoder, grids), [edges(item) for item in items])
    return grids, laid, laid.counts(len(items)) if items else []


def edges(item: Item) -> tuple[int, int]:
    """Upright (width, height) of a picture, or of a clip's frames, in source pixels; of anything else in cells."""
    match item:
        case Size(width, height) | Clip(size=Size(width, height)):
            return width, height
        case Clip(grid) | Blank(grid):
            return grid.w, grid.h


def in_text(fusion: Fusion, visual: int) -> int:
    """How many places in the sequence a picture of so many visual tokens takes."""
    match fusion:
        case Splice() | Expert() | Alone() | AddByBox():
            return visual
        case Cross():
            return 1


@dataclass(frozen=True)
class Count:
    """What one picture takes in a sequence: visual tokens, and the control tokens around them (line feeds are text)."""

    visual: int
    marks: int


def count(spec: Writer, size: Size) -> Count:
    """The tokens of one picture, from its size alone. Raises `BadPicture` for a size that the family refuses."""
    _, laid, (visual,) = lay(spec, [size])
    assert spec.sight is not None
    return Count(visual, controls(spec.sight.marks, laid.grids))


def grids_of(sight: Sight, item: Item, number: int) -> list[Grid]:
    """The grids of patches that one item becomes."""
    match item:
        case Size():
            return [view.grid for view in views(sight.views, sight.pixels, sight.encoder, item, number)]
        case Clip(grid) | Blank(grid):
            return [Grid(number, grid.t, grid.h, grid.w, grid.box, grid.times)]


def filmed(sight: Sight, frames: Frames, size: Size, times: Sequence[float], name: str) -> Clip:
    """A clip of frames of one size, seen at those seconds. Raises `BadPrompt` for more frames than the model looks at."""
    if frames.most is not None and len(times) > frames.most:
        message = f"{name}: {len(times)} frames are taken, and this model looks at {frames.most} at most"
        raise BadPrompt(f"{message}: take fewer (--frames {frames.most})")
    return Clip(clip_view(frames, sight.encoder, size, times, 0).grid, size)


def called(number: int, items: Sequence[Item], names: Sequence[str]) -> str:
    """The name of an item for messages, with its size."""
    item = items[number]
    match item:
        case Size(width, height):
            shape = f"{width} x {height}"
        case Clip(grid):
            shape = f"clip of {grid.t} x {grid.h} x {grid.w}"
        case Blank():
            shape = "no picture"
    return f"{names[number] if number < len(names) else f'item {number}'} ({shape})"
