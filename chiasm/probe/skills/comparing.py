"""Which is larger, which is darker, what colour."""

from __future__ import annotations

import random

from PIL import ImageDraw

from chiasm.probe.judges import option
from chiasm.probe.skill import SIDE, Drawn, Level, Skill
from chiasm.probe.skills.sheet import PLAIN, STRONG, pixels, sheet, stamp
from chiasm.render import Assets

SIDES = ("left", "right")


def larger(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """Two circles, one so many times as wide as the other."""
    on, side, colour = sheet(), rng.choice(SIDES), rng.choice(STRONG)
    small = rng.uniform(30, 42)
    sizes = {side: round(small * float(level)), SIDES[side == "left"]: round(small)}
    for name, middle in zip(SIDES, (56, 168), strict=True):
        stamp(on, "circle", colour, middle - sizes[name] / 2, SIDE / 2 - sizes[name] / 2 + rng.uniform(-30, 30), sizes[name])
    return Drawn(pixels(on), "Which circle is larger, the left or the right one?", side, SIDES)


def darker(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """Two grey squares, so many grey levels apart."""
    on, side = sheet(), rng.choice(SIDES)
    dark = rng.randrange(40, 210 - int(level))
    for name, left in zip(SIDES, (24, 124), strict=True):
        shade = dark if name == side else dark + int(level)
        ImageDraw.Draw(on).rectangle((left, 74, left + 76, 150), fill=(shade, shade, shade))
    return Drawn(pixels(on), "Which square is darker, the left or the right one?", side, SIDES)


def colour(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """The colour of one of so many things."""
    on, many = sheet(), int(level)
    shapes, colours = rng.sample(PLAIN, many), rng.sample(STRONG, many)
    cells = rng.sample(range(9), many)
    for shape, name, cell in zip(shapes, colours, cells, strict=True):
        stamp(on, shape, name, 18 + cell % 3 * 70, 18 + cell // 3 * 70, 44)
    return Drawn(pixels(on), f"What colour is the {shapes[0]}?", colours[0], tuple(sorted(STRONG)))


SKILLS = (
    Skill("larger", "The larger one", "how many times as wide", (1.05, 1.1, 1.25, 1.5, 2.0), larger, option),
    Skill("darker", "The darker one", "grey levels apart", (4, 8, 16, 32, 64), darker, option),
    Skill("colour", "The colour of one thing", "things", (1, 2, 4, 7), colour, option),
)
