"""Reading a word: small, blurred, faint, turned, unsteady, partly covered."""

from __future__ import annotations

import random
from dataclasses import replace

from PIL import Image, ImageDraw, ImageFilter

from chiasm.probe.judges import copied
from chiasm.probe.skill import SIDE, SIZES, Drawn, Level, Skill
from chiasm.probe.skills.sheet import INK, PAPER, Sheet, fits, pixels, sheet, written
from chiasm.render import Assets
from chiasm.render.writing import WORDS

LONG_ENOUGH = tuple(word for word in WORDS if 4 <= len(word) <= 8)
ASKED = "What word is written here?"
PX = 32


def _word(rng: random.Random) -> str:
    return rng.choice(LONG_ENOUGH)


def _asked(on: Sheet, word: str) -> Drawn:
    return Drawn(pixels(on), ASKED, word)


def by_size(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    on, word = sheet(), _word(rng)
    written(on, word, fits(rng, assets, word, int(level)))
    return _asked(on, word)


def blurred(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    on, word = sheet(), _word(rng)
    written(on, word, fits(rng, assets, word, PX))
    return _asked(on.filter(ImageFilter.GaussianBlur(float(level))), word)


def faint(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    on, word = sheet(), _word(rng)
    shade = PAPER[0] - int(level)
    written(on, word, fits(rng, assets, word, PX), (shade, shade, shade))
    return _asked(on, word)


def turned(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    on, word = sheet(), _word(rng)
    written(on, word, fits(rng, assets, word, PX))
    angle = float(level) * rng.choice((-1, 1))
    return _asked(on.rotate(angle, Image.Resampling.BICUBIC, fillcolor=PAPER), word)


def unsteady(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """In a hand's face, each letter by itself, turned by up to so many degrees, and off the line and another size
    accordingly."""
    on, word = sheet(), _word(rng)
    font, degrees = fits(rng, _hands(assets), word, PX), float(level)
    x, box = (SIDE - font.getlength(word)) / 2, 2 * PX
    for char in word:
        own = font.font_variant(size=font.size * (1 + rng.uniform(-1, 1) * degrees / 150))
        letter = Image.new("L", (box, box))
        ImageDraw.Draw(letter).text((box / 2, box / 2), char, fill=255, font=own, anchor="mm")
        letter = letter.rotate(rng.uniform(-degrees, degrees), Image.Resampling.BICUBIC)
        wide, drop = font.getlength(char), rng.uniform(-1, 1) * degrees / 5
        top = SIDE / 2 + drop + _below(font.getbbox(char, anchor="ls")) - box / 2
        on.paste(INK, (round(x + wide / 2 - box / 2), round(top)), letter)
        x += wide
    return _asked(on, word)


def _hands(assets: Assets) -> Assets:
    """The faces that look written, where any was fetched; else all."""
    return replace(assets, fonts=tuple(path for path in assets.fonts if "hand" in path.name) or assets.fonts)


def _below(bounds: tuple[float, float, float, float]) -> float:
    """From a letter's baseline to its middle."""
    return (bounds[1] + bounds[3]) / 2


def covered(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """A bar over the lower part of the word."""
    on, word = sheet(), _word(rng)
    font = fits(rng, assets, word, PX)
    written(on, word, font)
    left, top, right, bottom = font.getbbox(word, anchor="mm")
    edge = bottom - float(level) * (bottom - top)
    half = SIDE / 2
    if level:
        bar = (half + left - 4, half + edge, half + right + 4, half + bottom + 3)
        ImageDraw.Draw(on).rectangle(bar, fill=(90, 110, 160))
    return _asked(on, word)


SKILLS = (
    Skill("read-size", "Reading small print", "font size in pixels", (7, 9, 12, 16, 24, 32, 44), by_size, copied, sizes=SIZES),
    Skill("read-blur", "Reading through blur", "radius of the blur in pixels", (0, 1, 2, 3, 4), blurred, copied),
    Skill("read-faint", "Reading faint print", "grey levels from the paper", (6, 12, 24, 48, 96, 200), faint, copied),
    Skill("read-turned", "Reading turned print", "degrees either way", (0, 10, 20, 45, 90, 180), turned, copied),
    Skill("read-hand", "Reading an unsteady hand", "degrees that letters are turned by", (0, 8, 16, 24, 32), unsteady, copied),
    Skill("read-covered", "Reading what is partly covered", "share of the height covered", (0, 0.2, 0.4, 0.6), covered, copied),
)
