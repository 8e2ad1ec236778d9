"""Charts by their marks, the names of axes, tables by their size, code by its lines."""

from __future__ import annotations

import random

from PIL import Image, ImageDraw

from chiasm.probe.judges import copied, option
from chiasm.probe.skill import SIDE, SIZES, Drawn, Level, Skill
from chiasm.probe.skills.sheet import INK, PAPER, STRONG, face, fits, pixels, sheet
from chiasm.render import Assets
from chiasm.render.canvas import font_at
from chiasm.render.shapes import COLOURS

LETTERS = "ABCDEFGHKLMNPRST"
AXES = ("price", "weight", "speed", "height", "sales", "points", "hours", "age", "profit", "length", "volume", "power")
NAMES = "abcdefhkmnprstuvwxyz"


def bars(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """The tallest of so many bars, by a sixth of the height or more."""
    many, on = int(level), sheet()
    draw, names = ImageDraw.Draw(on), rng.sample(LETTERS, int(level))
    tallest, step = rng.randrange(many), 208 / many
    top = rng.uniform(120, 170)
    font = face(rng, assets, min(14, int(step)))
    draw.line((8, 196, 216, 196), fill=INK)
    for n, name in enumerate(names):
        high = top if n == tallest else rng.uniform(20, top - 28)
        left = 8 + n * step
        draw.rectangle((left + 0.15 * step, 196 - high, left + 0.85 * step, 196), fill=COLOURS[rng.choice(STRONG)])
        draw.text((left + step / 2, 208), name, fill=INK, font=font, anchor="mm")
    return Drawn(pixels(on), "Which bar is the tallest?", names[tallest], tuple(sorted(names)))


def axis(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """The name of one of two axes, in letters of so many pixels."""
    on, (across, up) = sheet(), rng.sample(AXES, 2)
    draw, font = ImageDraw.Draw(on), face(rng, assets, int(level))
    draw.line((40, 12, 40, 184, 214, 184), fill=INK)
    points = [(44 + n * 24, rng.uniform(24, 176)) for n in range(8)]
    draw.line(points, fill=COLOURS[rng.choice(STRONG)], width=2)
    draw.text((127, 202), across, fill=INK, font=font, anchor="mm")
    side = Image.new("RGB", (SIDE, 36), PAPER)
    ImageDraw.Draw(side).text((SIDE - 98, 18), up, fill=INK, font=font, anchor="mm")
    on.paste(side.rotate(90, expand=True), (2, 0))
    draw.line((40, 12, 40, 184), fill=INK)
    x = rng.random() < 0.5
    return Drawn(pixels(on), f"What is the label of the {'x' if x else 'y'} axis?", across if x else up, tuple(sorted(AXES)))


def table(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """One cell of a square table; the options are what stands in its row and its column."""
    many, on = int(level), sheet()
    draw, step = ImageDraw.Draw(on), 216 / (int(level) + 1)
    font = face(rng, assets, min(18, int(step * 0.6)))
    columns, rows = rng.sample(LETTERS, many), rng.sample(NAMES, many)
    values = [[str(v) for v in rng.sample(range(10, 100), many)] for _ in range(many)]
    for i, line in enumerate([["", *columns], *([name, *row] for name, row in zip(rows, values, strict=True))]):
        for j, cell in enumerate(line):
            draw.text((4 + (j + 0.5) * step, 4 + (i + 0.5) * step), cell, fill=INK, font=font, anchor="mm")
        draw.line((4, 4 + i * step, 220, 4 + i * step), fill=(180, 180, 180))
    i, j = rng.randrange(many), rng.randrange(many)
    choices = tuple(sorted({*values[i], *(row[j] for row in values)}))
    return Drawn(pixels(on), f"What is the number in row {rows[i]}, column {columns[j]}?", values[i][j], choices)


def code(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """What one of so many assignments says."""
    many, on = int(level), sheet()
    draw, names = ImageDraw.Draw(on), rng.sample(NAMES, int(level))
    values = [str(v) for v in rng.sample(range(10, 100), max(4, many))]
    step = min(34, 212 / many)
    typed = [path for path in assets.fonts if "mono" in path.name or "courier" in path.name]
    font = font_at(rng.choice(typed) if typed else None, int(step * 0.62))
    for n, (name, value) in enumerate(zip(names, values, strict=False)):
        draw.text((10, 6 + (n + 0.5) * step), f"{name} = {value};", fill=INK, font=font, anchor="lm")
    n = rng.randrange(many)
    return Drawn(pixels(on), f"Which value does the code give to {names[n]}?", values[n], tuple(sorted(values)))


def label(level: Level, rng: random.Random, assets: Assets) -> Drawn:
    """The title of a picture with so many lines of print below it."""
    on, many = sheet(), int(level)
    draw, words = ImageDraw.Draw(on), rng.sample(AXES, len(AXES))
    title = words[0].upper()
    draw.text((SIDE / 2, 24), title, fill=INK, font=fits(rng, assets, title, 26), anchor="mm")
    small = face(rng, assets, 12)
    for n in range(many):
        draw.text((12, 56 + n * 20), " ".join(rng.sample(words[1:], 4)), fill=(70, 70, 70), font=small, anchor="lm")
    return Drawn(pixels(on), "What is the title at the top?", title)


SKILLS = (
    Skill("chart", "The tallest bar", "bars", (2, 3, 4, 6, 8, 12, 16), bars, option),
    Skill("axis", "The name of an axis", "font size in pixels", (9, 12, 16, 20), axis, option),
    Skill("table", "A cell of a table", "rows, and as many columns", (2, 3, 4, 6, 8), table, option, sizes=SIZES),
    Skill("code", "A line of code", "lines", (1, 2, 4, 6, 8, 12), code, option),
    Skill("title", "The title above other print", "lines below it", (0, 2, 4, 8), label, copied),
)
