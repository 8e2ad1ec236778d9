"""Things that are not there, chosen in the three ways of POPE (arXiv:2305.10355)."""

from __future__ import annotations

import random
from dataclasses import replace

from chiasm.generate.sampling import Contrast
from chiasm.probe import judges
from chiasm.probe.skill import SIDE, Drawn, Level, Skill
from chiasm.probe.skills.sheet import STRONG, pixels, sheet, stamp
from chiasm.render import Assets
from chiasm.render.shapes import SHAPES, place

COMMON = {shape: 2.0 ** (-n / 2) for n, shape in enumerate(SHAPES)}
"""How often a shape is drawn, against the others."""
COMPANY = {SHAPES[n]: SHAPES[n ^ 1] for n in range(len(SHAPES))}
"""The shape that is drawn beside another more often than any else is."""
WAYS = ("random", "popular", "adversarial")
MANY = 4
NEGATIVE = "Do not speak of anything that is not in the image. If something cannot be seen, say no."
TOGETHER = 0.6


def scene(rng: random.Random) -> list[str]:
    """Four shapes, each brought along by its company or drawn as often as it is common."""
    present: list[str] = []
    while len(present) < MANY:
        company = COMPANY[present[-1]] if present else None
        if company is not None and company not in present and rng.random() < TOGETHER:
            present.append(company)
            continue
        rest = [shape for shape in SHAPES if shape not in present]
        present.append(rng.choices(rest, [COMMON[shape] for shape in rest])[0])
    return present


def missing(way: str, present: list[str], rng: random.Random) -> str:
    """A shape that is not there, chosen in one of the three ways."""
    rest = [shape for shape in SHAPES if shape not in present]
    expected = [COMPANY[shape] for shape in present if COMPANY[shape] in rest]
    match way:
        case "random":
            return rng.choice(rest)
        case "adversarial" if expected:
            return max(expected, key=COMMON.__getitem__)
        case _:
            return max(rest, key=COMMON.__getitem__)


def absent(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """Half of the questions are about something that is there."""
    on, present, sides = sheet(), scene(rng), [44] * MANY
    for shape, (x, y), px in zip(present, place(rng, SIDE, sides), sides, strict=True):
        stamp(on, shape, rng.choice(STRONG), x, y, px)
    there = rng.random() < 0.5
    shape = rng.choice(present) if there else missing(str(level), present, rng)
    return Drawn(pixels(on), f"Is there a {shape} in the image?", "yes" if there else "no", ("yes", "no"))


def boxed(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """The same, where who says yes must say where."""
    drawn = absent(level, rng, assets)
    return replace(drawn, question=f"{drawn.question} If so, give its bounding box, else say no.", choices=())


def written(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """The same, answered in words."""
    drawn = absent(level, rng, assets)
    return replace(drawn, question=drawn.asks, choices=())


def told(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """The same, in words, after a negative instruction."""
    drawn = written(level, rng, assets)
    return replace(drawn, question=f"{NEGATIVE} {drawn.question}")


SWEPT = "how the absent ones are chosen"
BEFORE = "absent-words"
"""What ways against naming things that are not there are measured against."""
REMEDIES = {"absent-told": "a warning first", "absent-contrast": "against a distorted picture", "absent-box": "a box demanded"}

SKILLS = (
    Skill("absent", "Things that are not there", SWEPT, WAYS, absent, judges.yes_or_no),
    Skill("absent-words", "Things that are not there, in words", SWEPT, WAYS, written, judges.yes_or_no, like="absent"),
    Skill(
        "absent-contrast", "Things that are not there, contrasted", SWEPT, WAYS, written, judges.yes_or_no,
        like="absent", contrast=Contrast(),
    ),
    Skill("absent-box", "Things that are not there, a box demanded", SWEPT, WAYS, boxed, judges.boxed, like="absent"),
    Skill("absent-told", "Things that are not there, a warning first", SWEPT, WAYS, told, judges.yes_or_no, like="absent"),
)  # fmt: skip
