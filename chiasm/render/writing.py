"""Printed words, numbers and lines."""

from __future__ import annotations

import random
import string

from PIL import ImageFont

from chiasm.render.assets import Assets
from chiasm.render.canvas import Canvas, against, any_colour, font_at
from chiasm.render.sources import Use
from chiasm.render.truth import Question
from chiasm.render.wordings import ask

_WORDS = """
open closed exit enter stop go push pull sale free hotel cafe bakery bank police school museum station airport taxi
bus train ticket danger warning caution wet floor no smoking parking private keep out left right north south east
west street road avenue park bridge river lake hill house garden kitchen bath office room table chair door window
apple orange lemon banana bread butter cheese milk coffee tea sugar salt water juice soup rice pasta pizza cake egg
red green blue black white gold silver light dark small large long short hot cold new old fast slow good best
monday tuesday wednesday thursday friday saturday sunday january march april june july august october december
total price amount date time number name page order invoice receipt change cash card thank you welcome hello world
please wait here this way up down first second third one two three four five six seven eight nine ten
cat dog bird fish horse cow sheep lion tiger bear mouse tree flower leaf sun moon star cloud rain snow wind fire
book paper pen music movie game phone radio mail message letter picture photo city country island beach mountain
"""
WORDS = tuple(_WORDS.split())

_SIZES = (*range(12, 16), *range(16, 48, 1), *range(16, 48, 1), *range(18, 32), *range(48, 65, 4))
_LARGE = range(20, 57)
_MARKS = ".,:;-+/%$€£!?&'()#*="


def any_font(rng: random.Random, assets: Assets, px: int) -> ImageFont.FreeTypeFont:
    return font_at(rng.choice(assets.fonts) if assets.fonts else None, px)


def any_size(rng: random.Random) -> int:
    """Font sizes of 12 to 64 px, mostly 16 to 48."""
    size: int = rng.choice(_SIZES)
    return size


def any_number(rng: random.Random, most: int = 6) -> str:
    """One to `most` digits, every length equally often, no leading zero."""
    digits = rng.randint(1, most)
    return str(rng.randrange(10 ** (digits - 1) if digits > 1 else 0, 10**digits))


def any_word(rng: random.Random) -> str:
    """A real word or, as often, letters that spell nothing, so that reading cannot lean on guessing."""
    if rng.random() < 0.5:
        word = rng.choice(WORDS)
        return rng.choice((word, word.upper(), word.capitalize()))
    alphabet = rng.choice((string.ascii_lowercase, string.ascii_uppercase, string.ascii_letters, string.ascii_letters))
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(2, 9)))


def any_text(rng: random.Random) -> str:
    """A word, a number, a price, a date, a time or a code."""
    match rng.randrange(10):
        case 0 | 1 | 2 | 3:
            return any_word(rng)
        case 4 | 5 | 6:
            return any_number(rng)
        case 7:
            return rng.choice(("$", "€", "£", "", "")) + f"{rng.randrange(200)}.{rng.randrange(100):02d}"
        case 8:
            return f"{rng.randrange(24)}:{rng.randrange(60):02d}"
        case _:
            everything = string.ascii_letters + string.digits + _MARKS
            return "".join(rng.choice(everything) for _ in range(rng.randint(2, 8)))


def fitting(rng: random.Random, assets: Assets, text: str, px: int, room: float) -> ImageFont.FreeTypeFont | None:
    """A font at up to `px` in which the text fits into `room` pixels; None below 12 px."""
    font = any_font(rng, assets, px)
    wide = font.getlength(text)
    if wide > room:
        px = int(px * room / wide)
        return None if px < 12 else any_font_again(font, px)
    return font


def any_font_again(font: ImageFont.FreeTypeFont, px: int) -> ImageFont.FreeTypeFont:
    """The same face at another size."""
    return font.font_variant(size=px)


def _one_line(canvas: Canvas, assets: Assets, text: str, px: int | None = None) -> bool:
    rng, size = canvas.rng, canvas.size
    font = fitting(rng, assets, text, px or any_size(rng), size - 8)
    if font is None:
        return False
    wide = font.getlength(text)
    high = round(0.75 * font.size)
    x = rng.uniform(4, max(4, size - 4 - wide))
    baseline = rng.uniform(high + 4, size - 4 - 0.25 * font.size)
    colour = against(canvas.ground, rng)
    if rng.random() < 0.25:
        plate = any_colour(rng)
        pad = rng.randrange(2, 8)
        canvas.draw.rectangle((x - pad, baseline - high - pad, x + wide + pad, baseline + pad + 3), fill=plate)
        colour = against(plate, rng)
    canvas.write(text, x, baseline, font, colour)
    return True


def number(canvas: Canvas, assets: Assets, use: Use) -> tuple[str, list[Question]]:
    """One number of one to six digits somewhere in the picture."""
    rng = canvas.rng
    text = any_number(rng)
    if not _one_line(canvas, assets, text, rng.choice(_LARGE) if rng.random() < 0.7 else None):
        raise AssertionError("six digits fit into every canvas")
    return f"The number {text}.", [
        ask(rng, use, "number", text),
        ask(rng, use, "first digit", text[0], candidates=tuple(string.digits)),
        ask(rng, use, "last digit", text[-1], candidates=tuple(string.digits)),
        ask(rng, use, "digits", str(len(text)), candidates=tuple("123456")),
    ]


def word(canvas: Canvas, assets: Assets, use: Use) -> tuple[str, list[Question]]:
    """One printed word."""
    text = any_word(canvas.rng)
    while not _one_line(canvas, assets, text):
        text = any_word(canvas.rng)
    return f'The word "{text}".', [ask(canvas.rng, use, "word", text)]


def line(canvas: Canvas, assets: Assets, use: Use) -> tuple[str, list[Question]]:
    """A short line, or two or three of them, in one face."""
    rng, size = canvas.rng, canvas.size
    count = rng.choice((1, 1, 1, 2, 2, 3))
    px = min(any_size(rng), int(size / (1.4 * count + 0.4)))
    texts = [" ".join(any_text(rng) for _ in range(rng.randint(1, 3))) for _ in range(count)]
    font = any_font(rng, assets, max(12, px))
    widest = max(font.getlength(t) for t in texts)
    if widest > size - 8:
        font = any_font_again(font, max(12, int(font.size * (size - 8) / widest)))
        texts = [_cut(font, t, size - 8) for t in texts]
        widest = max(font.getlength(t) for t in texts)
    step = font.size * rng.uniform(1.15, 1.4)
    colour = against(canvas.ground, rng)
    x = rng.uniform(4, max(4, size - 4 - widest))
    first = rng.uniform(0.8 * font.size + 3, max(0.8 * font.size + 3, size - 3 - 0.25 * font.size - step * (count - 1)))
    for k, text in enumerate(texts):
        canvas.write(text, x, first + k * step, font, colour)
    said = " ".join(texts)
    return f'The text "{said}".', [ask(rng, use, "line", said)]


def _cut(font: ImageFont.FreeTypeFont, text: str, room: float) -> str:
    while len(text) > 1 and font.getlength(text) > room:
        text = text[:-1].rstrip()
    return text


def page(canvas: Canvas, assets: Assets, use: Use) -> tuple[str, list[Question]]:
    """The whole picture strewn with pieces of text in many faces and sizes; no question, only letters."""
    rng, size = canvas.rng, canvas.size
    y = float(rng.randrange(2, 16))
    while True:
        px = any_size(rng)
        if y + px > size - 2:
            return "Many words.", []
        x = float(rng.randrange(2, 20))
        while True:
            text = any_text(rng)
            font = any_font(rng, assets, px)
            wide = font.getlength(text)
            if x + wide > size - 3:
                break
            colour = against(canvas.ground, rng)
            if rng.random() < 0.1:
                plate = any_colour(rng)
                canvas.draw.rectangle((x - 2, y, x + wide + 2, y + px), fill=plate)
                colour = against(plate, rng)
            canvas.write(text, x, y + 0.8 * px, font, colour)
            x += wide + rng.uniform(0.3, 1.5) * px
            if rng.random() < 0.4:
                px = max(12, px - rng.randrange(1, 6))
        y += px * rng.uniform(1.0, 1.5)
