"""Charts by the number of their marks: bars, lines and pies, what stands out in them, a value at a mark, the names of axes."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from PIL import Image, ImageDraw

from chiasm.probe.judges import option
from chiasm.probe.skill import SIDE, Drawn, Level, Skill
from chiasm.probe.skills.sheet import INK, LETTERS, PAPER, STRONG, Sheet, face, pixels, sheet
from chiasm.render import Assets
from chiasm.render.canvas import RGB
from chiasm.render.shapes import COLOURS

AXES = ("price", "weight", "speed", "height", "sales", "points", "hours", "age", "profit", "length", "volume", "power")
LEFT, FLOOR, HIGH = 8, 196, 170
"""Where charts without values stand, and how high they are at most, in pixels."""
CLEAR = 28
"""Pixels by which a bar or a point stands out from the next at least: a sixth of the height."""
CENTRE, RADIUS = (112, 110), 82
LARGER = 1.35
"""How many times as large as the next the largest slice is at least."""
ORIGIN, TENTH = (34, 196), 17
"""The corner of axes with values, and the pixels of ten units; there are a hundred."""
UNITS = tuple(range(10, 101, 10))
FAINT: RGB = (205, 205, 205)

Place = tuple[float, float]


def _named(many: int, rng: random.Random) -> list[str]:
    return rng.sample(LETTERS, many)


def bars(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """The tallest of so many bars, by a sixth of the height or more."""
    many, on = int(level), sheet()
    draw, names = ImageDraw.Draw(on), _named(many, rng)
    tallest, step = rng.randrange(many), 208 / many
    top = rng.uniform(120, HIGH)
    font = face(rng, assets, min(14, int(step)))
    draw.line((LEFT, FLOOR, 216, FLOOR), fill=INK)
    for n, name in enumerate(names):
        high = top if n == tallest else rng.uniform(20, top - CLEAR)
        left = LEFT + n * step
        draw.rectangle((left + 0.15 * step, FLOOR - high, left + 0.85 * step, FLOOR), fill=COLOURS[rng.choice(STRONG)])
        draw.text((left + step / 2, 208), name, fill=INK, font=font, anchor="mm")
    return Drawn(pixels(on), "Which bar is the tallest?", names[tallest], tuple(sorted(names)))


def highest(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """The highest of so many points of a line, by a sixth of the height or more."""
    heights = [rng.uniform(20, HIGH - CLEAR) for _ in range(int(level))]
    found = rng.randrange(int(level))
    heights[found] = max([*heights[:found], *heights[found + 1 :], 90.0]) + rng.uniform(CLEAR, CLEAR + 12)
    return _line(heights, found, "highest", rng, assets)


def lowest(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """The lowest of them, by as much."""
    heights = [rng.uniform(20 + CLEAR + 12, HIGH) for _ in range(int(level))]
    found = rng.randrange(int(level))
    heights[found] = min([*heights[:found], *heights[found + 1 :], 100.0]) - rng.uniform(CLEAR, CLEAR + 12)
    return _line(heights, found, "lowest", rng, assets)


def _line(heights: Sequence[float], found: int, asked: str, rng: random.Random, assets: Assets) -> Drawn:
    on, step = sheet(), 208 / len(heights)
    draw, names = ImageDraw.Draw(on), _named(len(heights), rng)
    font = face(rng, assets, min(14, int(step)))
    draw.line((LEFT, FLOOR, 216, FLOOR), fill=INK)
    points = [(LEFT + (n + 0.5) * step, FLOOR - high) for n, high in enumerate(heights)]
    joined(on, points, COLOURS[rng.choice(STRONG)])
    for (x, _), name in zip(points, names, strict=True):
        draw.text((x, 208), name, fill=INK, font=font, anchor="mm")
    return Drawn(pixels(on), f"Which point of the line is the {asked}?", names[found], tuple(sorted(names)))


def joined(on: Sheet, points: Sequence[Place], colour: RGB) -> None:
    """A line with a dot at each point."""
    draw = ImageDraw.Draw(on)
    draw.line([*points], fill=colour, width=2)
    for x, y in points:
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)


def slices(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """The largest of so many slices of a pie; neighbours are of two colours, with a seam between."""
    many, on = int(level), sheet()
    draw, names = ImageDraw.Draw(on), _named(many, rng)
    sizes, found = [rng.uniform(0.5, 1.0) for _ in range(many)], rng.randrange(many)
    sizes[found] = LARGER * max([*sizes[:found], *sizes[found + 1 :]])
    font, angle = face(rng, assets, 14), rng.uniform(0, 360)
    around = (CENTRE[0] - RADIUS, CENTRE[1] - RADIUS, CENTRE[0] + RADIUS, CENTRE[1] + RADIUS)
    for name, size, colour in zip(names, sizes, ring(many, rng), strict=True):
        end = angle + 360 * size / sum(sizes)
        draw.pieslice(around, angle, end, fill=COLOURS[colour])
        draw.text(_out(angle / 2 + end / 2, RADIUS + 13), name, fill=INK, font=font, anchor="mm")
        angle = end
    for size in sizes:
        draw.line((CENTRE, _out(angle, RADIUS + 1)), fill=PAPER, width=2)
        angle += 360 * size / sum(sizes)
    return Drawn(pixels(on), "Which slice of the pie is the largest?", names[found], tuple(sorted(names)))


def ring(many: int, rng: random.Random) -> list[str]:
    """Colours of which no two neighbours are alike, the last and the first either."""
    made: list[str] = []
    for n in range(many):
        near = {made[-1] if made else "", made[0] if n == many - 1 and made else ""}
        made.append(rng.choice([one for one in STRONG if one not in near]))
    return made


def _out(degrees: float, far: float) -> Place:
    """So many pixels from the pie's middle, clockwise from the right."""
    turned = math.radians(degrees)
    return CENTRE[0] + far * math.cos(turned), CENTRE[1] + far * math.sin(turned)


def bar_value(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """How high one of so many bars is, on an axis in tens."""
    on, values, xs, names = _valued(int(level), rng, assets)
    draw, half = ImageDraw.Draw(on), 0.32 * (214 - ORIGIN[0]) / len(values)
    for x, value in zip(xs, values, strict=True):
        draw.rectangle((x - half, _at(value), x + half, ORIGIN[1] - 1), fill=COLOURS[rng.choice(STRONG)])
    return _asked(on, "bar", values, names, rng)


def line_value(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """How high one of so many points of a line is, on an axis in tens."""
    on, values, xs, names = _valued(int(level), rng, assets)
    joined(on, [(x, _at(value)) for x, value in zip(xs, values, strict=True)], COLOURS[rng.choice(STRONG)])
    return _asked(on, "point", values, names, rng)


def _valued(many: int, rng: random.Random, assets: Assets) -> tuple[Sheet, list[int], list[float], list[str]]:
    """Axes with tens and the names of marks; the values of the marks, and where they stand."""
    on, names, values = sheet(), _named(many, rng), [rng.choice(UNITS) for _ in range(many)]
    draw, step = ImageDraw.Draw(on), (214 - ORIGIN[0]) / many
    font, small = face(rng, assets, min(13, int(step))), face(rng, assets, 10)
    for tens in (0, *UNITS):
        draw.line((ORIGIN[0], _at(tens), 214, _at(tens)), fill=FAINT if tens else INK)
        draw.text((ORIGIN[0] - 4, _at(tens)), str(tens), fill=INK, font=small, anchor="rm")
    draw.line((ORIGIN[0], _at(UNITS[-1]), ORIGIN[0], ORIGIN[1]), fill=INK)
    xs = [ORIGIN[0] + (n + 0.5) * step for n in range(many)]
    for x, name in zip(xs, names, strict=True):
        draw.text((x, 208), name, fill=INK, font=font, anchor="mm")
    return on, values, xs, names


def _at(value: int) -> int:
    return ORIGIN[1] - value * TENTH // 10


def _asked(on: Sheet, mark: str, values: Sequence[int], names: Sequence[str], rng: random.Random) -> Drawn:
    n = rng.randrange(len(values))
    return Drawn(pixels(on), f"What is the value of {mark} {names[n]}?", str(values[n]), tuple(map(str, UNITS)))


def axis(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """The name of one of two axes, in letters of so many pixels."""
    return _labelled(8, int(level), rng, assets)


def crowded(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """The name of one of two axes, of a line of so many points."""
    return _labelled(int(level), 14, rng, assets)


def _labelled(many: int, px: int, rng: random.Random, assets: Assets) -> Drawn:
    on, (across, up) = sheet(), rng.sample(AXES, 2)
    draw, font = ImageDraw.Draw(on), face(rng, assets, px)
    draw.line((40, 12, 40, 184, 214, 184), fill=INK)
    points = [(44 + n * 168 / (many - 1), rng.uniform(24, 176)) for n in range(many)]
    draw.line(points, fill=COLOURS[rng.choice(STRONG)], width=2)
    draw.text((127, 202), across, fill=INK, font=font, anchor="mm")
    side = Image.new("RGB", (SIDE, 36), PAPER)
    ImageDraw.Draw(side).text((SIDE - 98, 18), up, fill=INK, font=font, anchor="mm")
    on.paste(side.rotate(90, expand=True), (2, 0))
    draw.line((40, 12, 40, 184), fill=INK)
    x = rng.random() < 0.5
    return Drawn(pixels(on), f"What is the label of the {'x' if x else 'y'} axis?", across if x else up, tuple(sorted(AXES)))


MARKS = (2, 3, 4, 6, 8, 12)
SKILLS = (
    Skill("chart", "The tallest bar", "bars", (2, 3, 4, 6, 8, 12, 16), bars, option),
    Skill("line-high", "The highest point of a line", "points", (*MARKS, 16), highest, option),
    Skill("line-low", "The lowest point of a line", "points", (*MARKS, 16), lowest, option),
    Skill("pie", "The largest slice of a pie", "slices", MARKS, slices, option),
    Skill("bar-value", "The value of a bar", "bars", (1, *MARKS), bar_value, option),
    Skill("line-value", "The value of a point", "points", MARKS, line_value, option),
    Skill("axis", "The name of an axis", "font size in pixels", (9, 12, 16, 20), axis, option),
    Skill("axis-marks", "The name of an axis by marks", "points of the line", (*MARKS, 24), crowded, option),
)
