"""Rectangles and points of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Box:
    """A rectangle (x0, y0, x1, y1); `frame` says of what: source pixels (upright), fractions of the picture, or
    nothing."""

    x0: float
    y0: float
    x1: float
    y1: float
    frame: Literal["source", "fraction", "nowhere"] = "source"

    def to_source(self, width: float, height: float) -> Box:
        """The same rectangle in a picture of `width` x `height` source pixels. Raises `ValueError` for one that is there."""
        if self.frame != "fraction":
            raise ValueError(f"a box in the frame {self.frame!r} is not in fractions")
        return Box(self.x0 * width, self.y0 * height, self.x1 * width, self.y1 * height)


@dataclass(frozen=True)
class Point:
    """A place in source pixels (upright), on what is meant or off it."""

    x: float
    y: float
    where: Literal["inside", "outside"] = "inside"


NOWHERE = Box(0, 0, 0, 0, "nowhere")
"""What a grid shows that shows nothing."""
