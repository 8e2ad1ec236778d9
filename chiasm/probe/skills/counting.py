"""How many: by number, by size, among other things, where things overlap."""

from __future__ import annotations

import random

from chiasm.probe.judges import number
from chiasm.probe.skill import SIDE, SIZES, Drawn, Level, Skill
from chiasm.probe.skills.sheet import PLAIN, STRONG, Sheet, pixels, sheet, stamp
from chiasm.render import Assets
from chiasm.render.shapes import place, plural

FEW = range(2, 10)


def _asked(on: Sheet, called: str, many: int) -> Drawn:
    return Drawn(pixels(on), f"How many {called} are there?", str(many))


def _strewn(rng: random.Random, many: int, px: int, others: int = 0) -> Drawn:
    """Things of one kind, and others of another shape and another colour."""
    on, sides = sheet(), [px] * (many + others)
    shape, other = rng.sample(PLAIN, 2)
    colour, *rest = rng.sample(STRONG, len(STRONG))
    for n, (x, y) in enumerate(place(rng, SIDE, sides)):
        mine = n < many
        stamp(on, shape if mine else other, colour if mine else rng.choice(rest), x, y, sides[n])
    return _asked(on, plural(shape), many)


def by_number(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    return _strewn(rng, int(level), 24)


def by_size(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    return _strewn(rng, rng.choice(FEW), int(level))


def in_clutter(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    return _strewn(rng, rng.choice(FEW), 20, int(level))


def overlapping(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """A row of rings, each over the one before by a share of its width."""
    many, on = rng.choice(range(2, 7)), sheet()
    px = 48
    step = px * (1 - float(level))
    wide = step * (many - 1) + px
    px, step = (int(px * 200 / wide), step * 200 / wide) if wide > 200 else (px, step)
    left = rng.uniform(6, SIDE - 6 - (step * (many - 1) + px))
    for n in range(many):
        stamp(on, "ring", rng.choice(STRONG), left + n * step, SIDE / 2 - px / 2 + rng.uniform(-20, 20), px)
    return _asked(on, "rings", many)


SKILLS = (
    Skill("count", "Counting", "how many there are", tuple(range(1, 16)), by_number, number, signed=True, sizes=SIZES),
    Skill("count-size", "Counting small things", "side of each in pixels", (8, 12, 16, 24, 32), by_size, number, signed=True),
    Skill(
        "count-clutter", "Counting among other things", "other things", (0, 4, 8, 16, 24), in_clutter, number, signed=True
    ),
    Skill(
        "count-overlap", "Counting what overlaps", "share of each that is overlapped", (0.0, 0.2, 0.4, 0.6), overlapping,
        number, signed=True,
    ),
)  # fmt: skip
