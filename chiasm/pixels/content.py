"""How much there is to see in a picture, and which share of its tiles, pixels or tokens it is therefore given."""

from __future__ import annotations

import difflib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chiasm.errors import UserError
from chiasm.geometry.limits import UNITS

SMALL = 512
"""Pixels that the longest edge has at most where edges are measured; half of a smaller picture's, which takes out noise."""

DENSE = 12.0
"""The density from which on a picture is given all: nine of ten rendered pages have more (benchmarks/density.py)."""

LEAST = 1 / 8
"""What a blank picture is given."""


def density(pixels_HWC: NDArray[np.uint8]) -> float:
    """How steep a small grey version is on the mean, in grey levels (of 256) from one pixel to the next."""
    height, width = pixels_HWC.shape[:2]
    shrink = min(SMALL / max(height, width), 0.5)
    small = (max(2, round(width * shrink)), max(2, round(height * shrink)))
    grey_HW = np.asarray(Image.fromarray(pixels_HWC).convert("L").resize(small, Image.Resampling.BOX), np.float32)
    across, down = np.diff(grey_HW, axis=1)[:-1], np.diff(grey_HW, axis=0)[:, :-1]
    return float(np.hypot(across, down).mean())


def content(pixels_HWC: NDArray[np.uint8]) -> float:
    """Shares follow density in proportion: a simple diagram is given less than a dense table."""
    return min(1.0, max(LEAST, density(pixels_HWC) / DENSE))


Policy = Callable[[NDArray[np.uint8]], float]
"""From an upright RGB picture [H, W, 3] to the share of what its family would give it, above 0 and at most 1."""

POLICIES: dict[str, Policy] = {"content": content}


def policy(named: str) -> Policy:
    """Raises `UserError` for a name that no policy has."""
    if named not in POLICIES:
        close = difflib.get_close_matches(named, POLICIES, cutoff=0.4)
        known = ", ".join((*POLICIES, *(f"{unit}:N" for unit in UNITS)))
        near = f"did you mean {close[0]!r}?" if close else f"known are {known}"
        raise UserError(f"no budget is called {named!r}: {near}")
    return POLICIES[named]
