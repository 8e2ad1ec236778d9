"""How many: by number, by size, among other things, where things overlap."""

from __future__ import annotations

import random

from chiasm.probe.judges import number
from chiasm.probe.skill import SIDE, SIZES, Drawn, Level, Skill
from chiasm.probe.skills.sheet import PLAIN, STRONG, Sheet, pixels, sheet, stamp
from chiasm.render import Assets
from chiasm.render.shapes import place, plural

UP_TO = range(1, 16)
TRIES = 20
"""To lay things out before they are drawn smaller than asked for."""


def _asked(on: Sheet, called: str, many: int) -> Drawn:
    return Drawn(pixels(on), f"How many {called} are there?", str(many))


def _strewn(rng: random.Random, many: int, px: int, others: int = 0) -> Drawn:
    """Things of one kind, and others of another shape and another colour."""
    on, sides = sheet(), [px] * (many + others)
    shape, other = rng.sample(PLAIN, 2)
    colour, *rest = rng.sample(STRONG, len(STRONG))
    for n, (x, y) in enumerate(_laid(rng, sides)):
        mine = n < many
        stamp(on, shape if mine else other, colour if mine else rng.choice(rest), x, y, sides[n])
    return _asked(on, plural(shape), many)


def _laid(rng: random.Random, sides: list[int]) -> list[tuple[int, int]]:
    for _ in range(TRIES):
        tried = list(sides)
        spots = place(rng, SIDE, tried)
        if tried == sides:
            return spots
    sides[:] = tried
    return spots


def by_number(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    return _strewn(rng, int(level), 24)


def by_size(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    return _strewn(rng, rng.choice(UP_TO), int(level))


def in_clutter(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    return _strewn(rng, rng.choice(UP_TO), 20, int(level))


def overlapping(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """Rows of up to five rings, each over the one before by a share of its width."""
    many, on, px = rng.choice(UP_TO), sheet(), 40
    step = px * (1 - float(level))
    rows = [min(5, many - first) for first in range(0, many, 5)]
    for row, several in enumerate(rows):
        left = rng.uniform(4, SIDE - 4 - (step * (several - 1) + px))
        top = (row + 0.5) * SIDE / len(rows) - px / 2
        for n in range(several):
            stamp(on, "ring", rng.choice(STRONG), left + n * step, top + rng.uniform(-8, 8), px)
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
