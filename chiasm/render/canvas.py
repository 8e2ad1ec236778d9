"""A small picture under construction: ground, text, masks; it records where every letter and thing ended up."""

from __future__ import annotations

import math
import random
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from chiasm.render.truth import Box, Letter, Remark, Thing, Truth

RGB = tuple[int, int, int]
_CAP_HEIGHT = 0.72  # of the font size; most Latin faces lie between 0.66 and 0.74


@lru_cache(maxsize=4096)
def font_at(path: Path | None, px: int) -> ImageFont.FreeTypeFont:
    """A font file at a size in pixels; None is the scalable face that Pillow brings."""
    if path is None:
        font = ImageFont.load_default(px)
        assert isinstance(font, ImageFont.FreeTypeFont)
        return font
    return ImageFont.truetype(str(path), px, layout_engine=ImageFont.Layout.BASIC)


def luminance(colour: RGB) -> float:
    """Rec. 601 luma, 0 to 255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def any_colour(rng: random.Random) -> RGB:
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)


def against(ground: RGB, rng: random.Random, least: float = 70) -> RGB:
    """A colour whose luma differs from the ground's by `least` or more; black or white half of the time."""
    light = luminance(ground) > 127
    if rng.random() < 0.5:
        shade = rng.randrange(50) if light else 255 - rng.randrange(50)
        return shade, shade, shade
    for _ in range(20):
        colour = any_colour(rng)
        if abs(luminance(colour) - luminance(ground)) >= least:
            return colour
    return (0, 0, 0) if light else (255, 255, 255)


class Canvas:
    """Draws on a square of `size` pixels; `finish` gives the picture with its truth."""

    def __init__(self, size: int, rng: random.Random, ground: RGB, texture: bool = True) -> None:
        self.size, self.rng, self.ground = size, rng, ground
        self.image = _ground(size, rng, ground) if texture else Image.new("RGB", (size, size), ground)
        self.draw = ImageDraw.Draw(self.image)
        self.letters: list[Letter] = []
        self.things: list[Thing] = []
        self.remarks: list[Remark] = []
        self.lines: list[str] = []

    def write(self, text: str, x: float, baseline: float, font: ImageFont.FreeTypeFont, colour: RGB) -> float:
        """Prints one line from `x` on and returns where it ends; every letter's box is recorded."""
        left = round(x)
        self.draw.text((left, round(baseline)), text, fill=colour, font=font, anchor="ls")
        top = baseline - _CAP_HEIGHT * font.size
        start = 0.0
        for k, char in enumerate(text):
            end = font.getlength(text[: k + 1])
            if char != " ":
                self.letters.append(Letter(char, (left + start, top, left + end, baseline)))
            start = end
        self.lines.append(text)
        return left + start

    def stamp(self, mask: Image.Image, x: int, y: int, colour: RGB, thing: Thing | None = None) -> None:
        """Fills a mask (mode L) with a colour at (x, y)."""
        self.image.paste(colour, (x, y), mask)
        if thing:
            self.things.append(thing)

    def finish(self, turn: bool = False) -> tuple[np.ndarray, Truth]:
        """Turns by up to 5 degrees (letters' boxes follow), blurs and adds noise, each only sometimes."""
        rng, image = self.rng, self.image
        letters = self.letters
        if turn and rng.random() < 0.3:
            angle = rng.uniform(-5, 5)
            image = image.rotate(angle, Image.Resampling.BILINEAR, fillcolor=self.ground)
            letters = [Letter(m.char, _turned(m.box, angle, self.size)) for m in letters]
        if rng.random() < 0.15:
            image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.8)))
        pixels = np.asarray(image)
        if rng.random() < 0.3:
            noise = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, pixels.shape, np.uint8)
            strength = rng.randrange(8, 28)
            noisy = pixels.astype(np.int16) + (noise.astype(np.int16) - 128) * strength // 128
            pixels = noisy.clip(0, 255).astype(np.uint8)
        return pixels, Truth(tuple(letters), tuple(self.things), tuple(self.remarks), "\n".join(self.lines))


def _turned(box: Box, angle: float, size: int) -> Box:
    """The box moved (not turned) to where its centre lands when the picture turns about its middle."""
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    w, h = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    x, y = box[0] + w - size / 2, box[1] + h - size / 2
    x, y = c * x + s * y + size / 2, -s * x + c * y + size / 2
    return x - w, y - h, x + w, y + h


def _ground(size: int, rng: random.Random, colour: RGB) -> Image.Image:
    """A plain, graded, striped or cloudy ground that stays near its colour."""
    choice = rng.random()
    image = Image.new("RGB", (size, size), colour)
    if choice < 0.5:
        return image

    def near() -> RGB:
        r, g, b = (min(255, max(0, v + rng.randint(-28, 28))) for v in colour)
        return r, g, b

    if choice < 0.65:
        small = Image.new("RGB", (2, 2))
        small.putdata([near() for _ in range(4)])
        return small.resize((size, size), Image.Resampling.BILINEAR)
    if choice < 0.8:
        n = rng.randrange(3, 9)
        small = Image.new("RGB", (n, n))
        small.putdata([near() for _ in range(n * n)])
        return small.resize((size, size), rng.choice((Image.Resampling.BICUBIC, Image.Resampling.NEAREST)))
    draw, other, step = ImageDraw.Draw(image), near(), rng.randrange(6, 40)
    for at in range(0, size, step):
        if choice < 0.9:
            draw.line((at, 0, at, size), fill=other, width=rng.randrange(1, 4))
        else:
            draw.line((0, at, size, at), fill=other, width=rng.randrange(1, 4))
    return image
