"""Small tables and receipts."""

from __future__ import annotations

from chiasm.render.assets import Assets
from chiasm.render.canvas import Canvas, against, any_colour
from chiasm.render.sources import Use
from chiasm.render.truth import Question
from chiasm.render.wordings import ask
from chiasm.render.writing import WORDS, any_font, any_number

_NAMES = tuple(w.capitalize() for w in WORDS if 3 <= len(w) <= 6)
_GOODS_TEXT = """
apple orange lemon banana bread butter cheese milk coffee tea sugar salt water juice soup rice pasta pizza cake egg
"""
_GOODS = tuple(w.capitalize() for w in _GOODS_TEXT.split())


def table(canvas: Canvas, assets: Assets, use: Use) -> tuple[str, list[Question]]:
    """Two columns, a name and a number a row, in two to six rows."""
    rng, size = canvas.rng, canvas.size
    px = rng.randint(13, 22)
    high = px * rng.uniform(1.35, 1.9)
    rows = min(rng.randint(2, 6), int((size - 8) / high))
    font = any_font(rng, assets, px)
    names = rng.sample(_NAMES, rows)
    values = [any_number(rng, 4) for _ in range(rows)]
    first, second = max(map(font.getlength, names)), max(map(font.getlength, values))
    pad = rng.uniform(4, 12)
    wide = first + second + 4 * pad
    if wide > size - 6:
        font = font.font_variant(size=max(10, int(px * (size - 6 - 4 * pad) / (first + second))))
        first, second = max(map(font.getlength, names)), max(map(font.getlength, values))
        wide = first + second + 4 * pad
    x, y = rng.uniform(2, max(2, size - wide - 2)), rng.uniform(2, max(2, size - rows * high - 4))
    ink = against(canvas.ground, rng)
    ruled = rng.random() < 0.7
    for k in range(rows):
        top = y + k * high
        if ruled:
            canvas.draw.rectangle((x, top, x + wide, top + high), outline=ink)
            canvas.draw.line((x + first + 2 * pad, top, x + first + 2 * pad, top + high), fill=ink)
        baseline = top + (high + 0.7 * font.size) / 2
        canvas.write(names[k], x + pad, baseline, font, ink)
        canvas.write(values[k], x + first + 3 * pad, baseline, font, ink)
    pick = rng.randrange(rows)
    said = ", ".join(f"{n} {v}" for n, v in zip(names, values, strict=True))
    return f"A table: {said}.", [ask(rng, use, "cell", values[pick], names[pick])]


def receipt(canvas: Canvas, assets: Assets, use: Use) -> tuple[str, list[Question]]:
    """One to five goods with prices and their total on a slip of paper."""
    rng, size = canvas.rng, canvas.size
    px = rng.randint(13, 20)
    high = px * rng.uniform(1.2, 1.5)
    rows = max(1, min(rng.randint(1, 5), int((size - 12) / high) - 1))
    goods = rng.sample(_GOODS, rows)
    cents = [rng.randrange(50, 2500) for _ in range(rows)]
    paper = any_colour(rng) if rng.random() < 0.2 else (rng.randrange(225, 256),) * 3
    ink = against(paper, rng, least=110)
    sign = rng.choice(("", "", "$", "€"))
    lines = [(g, f"{sign}{c // 100}.{c % 100:02d}") for g, c in zip(goods, cents, strict=True)]
    total = f"{sign}{sum(cents) // 100}.{sum(cents) % 100:02d}"
    lines.append((rng.choice(("Total", "TOTAL", "Sum")), total))
    font = any_font(rng, assets, px)
    need = max(font.getlength(a) + font.getlength(b) for a, b in lines) + 24
    if need > size - 4:
        font = font.font_variant(size=max(10, int(px * (size - 4) / need)))
        need = max(font.getlength(a) + font.getlength(b) for a, b in lines) + 24
    wide = min(size - 4, need + rng.uniform(0, 40))
    x, y = rng.uniform(2, max(2, size - 2 - wide)), rng.uniform(2, max(2, size - 6 - high * len(lines)))
    canvas.draw.rectangle((x, y, x + wide, y + high * len(lines) + 5), fill=paper)
    for k, (left, right) in enumerate(lines):
        baseline = y + k * high + (high + 0.7 * font.size) / 2
        if k == rows and rng.random() < 0.5:
            canvas.draw.line((x + 4, y + k * high + 1, x + wide - 4, y + k * high + 1), fill=ink)
        canvas.write(left, x + 6, baseline, font, ink)
        canvas.write(right, x + wide - 6 - font.getlength(right), baseline, font, ink)
    pick = rng.randrange(rows)
    return f"A receipt with a total of {total}.", [
        ask(rng, use, "total", total),
        ask(rng, use, "price", lines[pick][1], goods[pick]),
    ]
