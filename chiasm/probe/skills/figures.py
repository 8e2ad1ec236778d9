"""Tables by their size, code by its lines, a title above other print."""

from __future__ import annotations

import random

from PIL import ImageDraw

from chiasm.probe.judges import copied, option
from chiasm.probe.skill import SIDE, SIZES, Drawn, Level, Skill
from chiasm.probe.skills.charts import AXES
from chiasm.probe.skills.sheet import INK, LETTERS, face, fits, pixels, sheet
from chiasm.render import Assets
from chiasm.render.canvas import font_at

NAMES = "abcdefhkmnprstuvwxyz"


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
    Skill("table", "A cell of a table", "rows, and as many columns", (2, 3, 4, 6, 8), table, option, sizes=SIZES),
    Skill("code", "A line of code", "lines", (1, 2, 4, 6, 8, 12), code, option),
    Skill("title", "The title above other print", "lines below it", (0, 2, 4, 8), label, copied),
)
