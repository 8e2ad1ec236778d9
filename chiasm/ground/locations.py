"""PaliGemma's dialect (arXiv:2407.07726): places and shapes as tokens of the vocabulary.

`<loc0000>` to `<loc1023>` are fractions of the picture, four of them a box in the order top, left, bottom, right;
`<seg000>` to `<seg127>` are codes, sixteen of them the mask inside the box (`heads/codes.py` draws it). A phrase follows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chiasm.place import Box

STEPS = 1023
"""The last location, and what locations are fractions of in the code that trained the model; other code divides by 1024."""

FOUND = re.compile(r"(?P<box>(?:<loc\d{4}>){4})(?P<codes>(?:<seg\d{3}>){16})?(?P<phrase>[^<;]*)")


@dataclass(frozen=True)
class Located:
    """A phrase, its box in fractions of the picture, and the codes of its mask where the model gave them."""

    phrase: str
    box: Box
    codes: tuple[int, ...] = ()


def read(text: str, steps: int = STEPS) -> tuple[Located, ...]:
    """Every box of an answer, in order. `steps`: what a location is divided by."""
    found = []
    for match in FOUND.finditer(text):
        top, left, bottom, right = (int(number) / steps for number in re.findall(r"\d{4}", match["box"]))
        codes = tuple(int(number) for number in re.findall(r"\d{3}", match["codes"] or ""))
        found.append(Located(match["phrase"].strip(), Box(left, top, right, bottom, "fraction"), codes))
    return tuple(found)


def locations(box: Box) -> tuple[int, int, int, int]:
    """A box in fractions as four locations, rounded in single precision, halves to even; what lies outside is cut off."""
    edges = np.array([box.y0, box.x0, box.y1, box.x1], np.float32)
    top, left, bottom, right = np.clip(np.round(edges * np.float32(STEPS)), 0, STEPS).astype(int).tolist()
    return top, left, bottom, right


def write(located: Located) -> str:
    """The inverse of `read`, for one object."""
    places = "".join(f"<loc{number:04d}>" for number in locations(located.box))
    return places + "".join(f"<seg{number:03d}>" for number in located.codes) + (f" {located.phrase}" if located.phrase else "")


def pixels(box: Box, width: int, height: int) -> tuple[int, int, int, int] | None:
    """(left, top, right, bottom) of a box in fractions, cut to whole pixels; none where nothing is left of it."""
    left, right, top, bottom = (int(x) for x in (box.x0 * width, box.x1 * width, box.y0 * height, box.y1 * height))
    return (left, top, right, bottom) if left < right and top < bottom else None


def pasted(scores_HW: NDArray[np.float32], box: Box, width: int, height: int) -> NDArray[np.bool_]:
    """A mask's scores stretched over its box, as pixels of a picture [height, width]; true where they are above zero."""
    mask_HW = np.zeros((height, width), bool)
    inside = pixels(box, width, height)
    if inside is None:
        return mask_HW
    left, top, right, bottom = inside
    stretched = Image.fromarray(scores_HW).resize((right - left, bottom - top), Image.Resampling.BILINEAR)
    mask_HW[top:bottom, left:right] = np.asarray(stretched)[: height - top, : width - left] > 0
    return mask_HW
