"""Where: left, right, above, below, between, and the third from the left."""

from __future__ import annotations

import random

from chiasm.probe.judges import option
from chiasm.probe.skill import SIDE, Drawn, Level, Skill
from chiasm.probe.skills.sheet import PLAIN, STRONG, pixels, sheet, stamp
from chiasm.render import Assets

SIDES = ("left", "right", "above", "below")
AWAY = {"left": (-1, 0), "right": (1, 0), "above": (0, -1), "below": (0, 1)}
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
PX = 30


def _pair(rng: random.Random, side: str, gap: float) -> Drawn:
    """Two shapes with so many pixels between their edges."""
    on, (one, other) = sheet(), rng.sample(PLAIN, 2)
    colours = rng.sample(STRONG, 2)
    dx, dy = (way * (gap + PX) for way in AWAY[side])
    x, y = (rng.uniform(6 + max(0.0, -d), SIDE - 6 - PX - max(0.0, d)) for d in (dx, dy))
    stamp(on, other, colours[1], x, y, PX)
    stamp(on, one, colours[0], x + dx, y + dy, PX)
    asked = f"Where is the {one}, seen from the {other}: left, right, above or below?"
    return Drawn(pixels(on), asked, side, SIDES)


def by_side(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    if level != "between":
        return _pair(rng, str(level), 60)
    on, shapes = sheet(), rng.sample(PLAIN, 4)
    across = rng.random() < 0.5
    for n, shape in enumerate(shapes[:3]):
        x, y = 20 + n * 74, SIDE / 2 - PX / 2 + rng.uniform(-30, 30)
        left, top = (x, y) if across else (y, x)
        stamp(on, shape, rng.choice(STRONG), left, top, PX)
    ends = [shapes[0], shapes[2]]
    rng.shuffle(ends)
    choices = tuple(sorted(shapes))
    return Drawn(pixels(on), f"Which shape is between the {ends[0]} and the {ends[1]}?", shapes[1], choices)


def by_gap(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    return _pair(rng, rng.choice(SIDES), float(level))


def in_order(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """A row of six shapes."""
    on, row = sheet(), rng.sample(PLAIN, 6)
    y, colour = rng.uniform(40, SIDE - 70), rng.choice(STRONG)
    for n, shape in enumerate(row):
        stamp(on, shape, colour, 8 + n * 36, y, 28)
    answer = row[ORDINALS.index(str(level))]
    return Drawn(pixels(on), f"Which shape is {level} from the left?", answer, tuple(sorted(row)))


SKILLS = (
    Skill("places", "Where things are", "relation", (*SIDES, "between"), by_side, option),
    Skill("places-gap", "Where near things are", "pixels between the two", (2, 8, 24, 64, 120), by_gap, option),
    Skill("order", "Order from the left", "which is asked for", ORDINALS, in_order, option),
)
