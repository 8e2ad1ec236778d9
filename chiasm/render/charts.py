"""Small bar and line charts."""

from __future__ import annotations

import random
import string

from chiasm.render.assets import Assets
from chiasm.render.canvas import Canvas, against
from chiasm.render.shapes import COLOURS, apart, shade
from chiasm.render.sources import Use
from chiasm.render.truth import Box, Question, Remark, Thing
from chiasm.render.wordings import ask
from chiasm.render.writing import WORDS, any_font

REMARKS = ("tallest", "shortest")
"""What may be remarked of a bar and of its label."""

_SHORT = tuple(w.capitalize() for w in WORDS if 3 <= len(w) <= 5)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _labels(rng: random.Random, n: int) -> list[str]:
    match rng.randrange(4):
        case 0:
            return rng.sample(string.ascii_uppercase, n)
        case 1:
            first = rng.randint(0, 12 - n)
            return list(_MONTHS[first : first + n])
        case 2:
            first = rng.randint(1995, 2025 - n)
            return [str(first + k) for k in range(n)]
        case _:
            return rng.sample(_SHORT, n)


def bars(canvas: Canvas, assets: Assets, use: Use) -> tuple[str, list[Question]]:
    """Two to six labelled bars, one clearly tallest and one clearly shortest."""
    rng, size = canvas.rng, canvas.size
    n = rng.randint(2, 6 if size >= 192 else 4)
    while True:
        heights = [rng.uniform(0.12, 1.0) for _ in range(n)]
        ordered = sorted(heights)
        if ordered[-1] - ordered[-2] > 0.08 and ordered[1] - ordered[0] > 0.08:
            break
    labels = _labels(rng, n)
    ink = against(canvas.ground, rng)
    left, right = rng.uniform(6, 26), size - rng.uniform(4, 14)
    step = (right - left) / n
    font = any_font(rng, assets, rng.randint(12, 18))
    widest = max(font.getlength(t) for t in labels)
    if widest > step - 3:
        font = font.font_variant(size=max(10, int(font.size * (step - 3) / widest)))
    base = size - font.size * 1.3 - rng.uniform(2, 10)
    top = rng.uniform(6, 34)
    wide = step * rng.uniform(0.5, 0.85)
    canvas.draw.line((left, base, right, base), fill=ink, width=rng.choice((1, 2)))
    if rng.random() < 0.6:
        canvas.draw.line((left, top, left, base), fill=ink)
    names = apart(rng, canvas.ground)
    chosen = [names[k % len(names)] for k in range(n)] if rng.random() < 0.5 else [names[0]] * n
    remarked = dict(zip((ordered[-1], ordered[0]), REMARKS, strict=True))
    for k, (label, height, colour) in enumerate(zip(labels, heights, chosen, strict=True)):
        x = left + k * step + (step - wide) / 2
        box: Box = (x, base - height * (base - top), x + wide, base)
        canvas.draw.rectangle((*box[:3], base - 1), fill=shade(rng, colour))
        canvas.things.append(Thing("bar", colour, box))
        x = left + (k + 0.5) * step - font.getlength(label) / 2
        end = canvas.write(label, x, base + font.size * 1.05, font, ink)
        if height in remarked:
            under = (x, base + font.size * 0.3, end, base + font.size * 1.05)
            canvas.remarks += [Remark(remarked[height], where) for where in (box, under)]
    tallest, shortest = labels[heights.index(ordered[-1])], labels[heights.index(ordered[0])]
    questions = [
        ask(rng, use, "tallest", tallest, candidates=tuple(labels)),
        ask(rng, use, "shortest", shortest, candidates=tuple(labels)),
        ask(rng, use, "count", str(n), "bars", candidates=tuple(str(k) for k in range(1, 10))),
    ]
    a, b = rng.sample(range(n), 2)
    if abs(heights[a] - heights[b]) > 0.08:
        higher = "taller" if heights[a] > heights[b] else "shorter"
        questions.append(ask(rng, use, "heights", higher, labels[a], labels[b], ("taller", "shorter")))
    if len(set(chosen)) > 1:
        k = rng.randrange(n)
        questions.append(ask(rng, use, "bar colour", chosen[k], labels[k], candidates=tuple(COLOURS)))
    return f"A bar chart of {', '.join(labels)}; {tallest} is the tallest.", questions


def curve(canvas: Canvas, assets: Assets, use: Use) -> tuple[str, list[Question]]:
    """A line of five to nine points that on the whole rises or falls."""
    rng, size = canvas.rng, canvas.size
    n, rises = rng.randint(5, 9), rng.random() < 0.5
    ink = against(canvas.ground, rng)
    left, right = rng.uniform(8, 28), size - rng.uniform(6, 14)
    top, base = rng.uniform(8, 30), size - rng.uniform(10, 30)
    values = [k / (n - 1) * rng.uniform(0.8, 1.0) + rng.uniform(-0.16, 0.16) for k in range(n)]
    low, high = min(values), max(values)
    values = [(v - low) / (high - low) for v in values]
    if not rises:
        values.reverse()
    canvas.draw.line((left, base, right, base), fill=ink)
    canvas.draw.line((left, top, left, base), fill=ink)
    xs = [left + (right - left) * k / (n - 1) for k in range(n)]
    ys = [base - v * (base - top) for v in values]
    colour = apart(rng, canvas.ground)[0]
    paint = shade(rng, colour)
    canvas.draw.line(list(zip(xs, ys, strict=True)), fill=paint, width=rng.randint(1, 4), joint="curve")
    if rng.random() < 0.5:
        r = rng.uniform(2, 4)
        for x, y in zip(xs, ys, strict=True):
            canvas.draw.ellipse((x - r, y - r, x + r, y + r), fill=paint)
    way = "rise" if rises else "fall"
    return f"A {colour} line that {way}s.", [
        ask(rng, use, "trend", way, candidates=("rise", "fall")),
        ask(rng, use, "colour", colour, "line", candidates=tuple(COLOURS)),
    ]
