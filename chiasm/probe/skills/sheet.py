"""What skills draw on and with: a plain sheet, shapes on it, text in a printed face."""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from chiasm.probe.skill import SIDE
from chiasm.render import Assets
from chiasm.render.canvas import RGB
from chiasm.render.shapes import COLOURS, mask
from chiasm.render.writing import any_font

PAPER: RGB = (250, 250, 248)
INK: RGB = (20, 20, 20)
STRONG = ("red", "orange", "green", "blue", "purple", "pink", "brown", "black")
"""Colours that stand out on paper and are not taken for one another."""
PLAIN = ("circle", "square", "triangle", "star", "heart", "diamond", "cross")
"""Shapes that are not taken for one another."""

LETTERS = "ABCDEFGHKLMNPRST"
"""What marks and columns are called."""

Sheet = Image.Image


def sheet() -> Sheet:
    return Image.new("RGB", (SIDE, SIDE), PAPER)


def stamp(on: Sheet, shape: str, colour: str, x: float, y: float, px: int) -> None:
    """A shape of `px` a side with its left top corner at (x, y)."""
    on.paste(COLOURS[colour], (round(x), round(y)), mask(shape, px, 0))


def face(rng: random.Random, assets: Assets, px: int) -> ImageFont.FreeTypeFont:
    """One of the faces that training never showed; Pillow's own where none was fetched."""
    return any_font(rng, assets, px)


def fits(rng: random.Random, assets: Assets, text: str, px: int) -> ImageFont.FreeTypeFont:
    """A face at up to `px` in which a text fits the sheet."""
    font = face(rng, assets, px)
    wide = font.getlength(text)
    return font if wide <= SIDE - 12 else font.font_variant(size=max(6, int(px * (SIDE - 12) / wide)))


def written(on: Sheet, text: str, font: ImageFont.FreeTypeFont, colour: RGB = INK) -> None:
    """A text in the middle of a sheet."""
    ImageDraw.Draw(on).text((on.width / 2, on.height / 2), text, fill=colour, font=font, anchor="mm")


def pixels(of: Sheet) -> np.ndarray:
    return np.asarray(of)
