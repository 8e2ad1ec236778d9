"""Boxes that a writing model speaks of, whatever its dialect, in pixels of the picture that it was asked about."""

from __future__ import annotations

from chiasm.errors import BadPrompt
from chiasm.ground import cells, corners, locations
from chiasm.place import Box
from chiasm.spec import BoxDialect


def boxes_of(text: str, dialect: BoxDialect, width: int, height: int) -> tuple[Box, ...]:
    """Every box of an answer, marks and all, in order, in upright source pixels; none of an answer whose boxes are broken off
    or malformed, as a model's may be."""
    match dialect:
        case "locations":
            found = [one.box for one in locations.read(text)]
        case "corners":
            found = [one.box for one in _whole(text)]
        case "cells":
            found = [box for one in cells.read(text).grounded for box in one.boxes]
    return tuple(box.to_source(width, height) for box in found)


def _whole(text: str) -> tuple[corners.Pointed, ...]:
    try:
        return corners.read(text)
    except BadPrompt:
        return ()
