"""Coloured shapes: which, how many, where."""

from __future__ import annotations

import math
import random
from collections import Counter
from functools import lru_cache
from itertools import permutations

from PIL import Image, ImageDraw

from chiasm.render.canvas import RGB, Canvas
from chiasm.render.sources import Use
from chiasm.render.truth import Question, Thing
from chiasm.render.wordings import ask

COLOURS: dict[str, RGB] = {
    "red": (220, 30, 35), "orange": (250, 140, 20), "yellow": (245, 220, 40), "green": (40, 165, 60),
    "blue": (35, 80, 215), "purple": (130, 50, 170), "pink": (250, 130, 185), "brown": (125, 75, 35),
    "black": (20, 20, 20), "white": (245, 245, 245), "gray": (130, 130, 130),
}  # fmt: skip
SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "hexagon", "cross", "ring", "rectangle")

SIDES = ("left", "right")

_PLURAL = {"cross": "crosses"}


def plural(shape: str) -> str:
    return _PLURAL.get(shape, shape + "s")


def shade(rng: random.Random, colour: str) -> RGB:
    """A colour near the named one."""
    r, g, b = (min(255, max(0, v + rng.randint(-16, 16))) for v in COLOURS[colour])
    return r, g, b


def apart(rng: random.Random, ground: RGB) -> list[str]:
    """Names of colours that stand out from a ground, shuffled."""
    names = [n for n, c in COLOURS.items() if sum(abs(a - b) for a, b in zip(c, ground, strict=True)) > 130]
    rng.shuffle(names)
    return names


def _star(points: int, inner: float, turn: float) -> list[tuple[float, float]]:
    return [
        (0.5 + r * math.sin(a), 0.5 - r * math.cos(a))
        for k in range(2 * points)
        for r, a in [((0.5 if k % 2 == 0 else 0.5 * inner), math.pi * k / points + turn)]
    ]


def _regular(corners: int, turn: float) -> list[tuple[float, float]]:
    angles = (2 * math.pi * k / corners + turn for k in range(corners))
    return [(0.5 + 0.5 * math.sin(a), 0.5 - 0.5 * math.cos(a)) for a in angles]


def _heart() -> list[tuple[float, float]]:
    ts = (2 * math.pi * k / 60 for k in range(60))
    return [
        (
            0.5 + math.sin(t) ** 3 / 2,
            0.45 - (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 32,
        )
        for t in ts
    ]


@lru_cache(maxsize=8192)
def mask(shape: str, px: int, tilt: int) -> Image.Image:
    """A smooth-edged mask (mode L, px a side) of a shape, tilted by some degrees."""
    big = 3 * px
    image = Image.new("L", (big, big))
    draw = ImageDraw.Draw(image)
    turn = math.radians(tilt)
    corners: list[tuple[float, float]] = []
    match shape:
        case "circle":
            draw.ellipse((0, 0, big - 1, big - 1), fill=255)
        case "ring":
            draw.ellipse((0, 0, big - 1, big - 1), fill=255)
            rim = 0.24 * big
            draw.ellipse((rim, rim, big - 1 - rim, big - 1 - rim), fill=0)
        case "square":
            corners = _regular(4, math.pi / 4 + turn)
        case "diamond":
            corners = [(0.5, 0.0), (0.8, 0.5), (0.5, 1.0), (0.2, 0.5)]
        case "rectangle":
            corners = [(0.0, 0.26), (1.0, 0.26), (1.0, 0.74), (0.0, 0.74)]
        case "triangle":
            corners = _regular(3, turn)
        case "hexagon":
            corners = _regular(6, turn)
        case "star":
            corners = _star(5, 0.42, turn)
        case "heart":
            corners = _heart()
        case "cross":
            a, b = 0.33, 0.67
            corners = [(a, 0), (b, 0), (b, a), (1, a), (1, b), (b, b), (b, 1), (a, 1), (a, b), (0, b), (0, a), (a, a)]
        case _:
            raise ValueError(f"no shape is called {shape!r}")
    if corners:
        draw.polygon([(x * big, y * big) for x, y in corners], fill=255)
    return image.resize((px, px), Image.Resampling.BOX)


def place(rng: random.Random, size: int, sides: list[int]) -> list[tuple[int, int]]:
    """Left-top corners for squares of the given sides that do not touch; tries until all fit, shrinking `sides`."""
    while True:
        spots: list[tuple[int, int]] = []
        for side in sides:
            for _ in range(30):
                x, y = rng.randint(2, size - side - 2), rng.randint(2, size - side - 2)
                if all(
                    x + side + 2 <= u or u + s + 2 <= x or y + side + 2 <= v or v + s + 2 <= y
                    for (u, v), s in zip(spots, sides, strict=False)
                ):
                    spots.append((x, y))
                    break
            else:
                break
        if len(spots) == len(sides):
            return spots
        sides[:] = [max(14, int(s * 0.85)) for s in sides]


def put(canvas: Canvas, shape: str, colour: str, x: int, y: int, px: int) -> None:
    tilt = canvas.rng.randint(-10, 10)
    box = (float(x), float(y), float(x + px), float(y + px))
    canvas.stamp(mask(shape, px, tilt), x, y, shade(canvas.rng, colour), Thing(shape, colour, box))


def _side(rng: random.Random, size: int, many: int) -> int:
    top = min(0.6 * size, 0.95 * size / math.sqrt(many + 0.5))
    return int(rng.uniform(max(16, 0.3 * top), max(20, top * 0.8)))


def _article(phrase: str) -> str:
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def related(
    rng: random.Random, use: Use, names: tuple[str, str], centres: tuple[tuple[float, float], tuple[float, float]]
) -> list[Question]:
    """Left or right, above or below: how the first of two things lies from the second, where that is clear."""
    (x, y), (u, v) = centres
    asked = []
    if abs(x - u) >= 12:
        asked.append(ask(rng, use, "sides", "left" if x < u else "right", *names, SIDES))
    if abs(y - v) >= 12:
        asked.append(ask(rng, use, "levels", "above" if y < v else "below", *names, ("above", "below")))
    return asked


def one_shape(canvas: Canvas, use: Use) -> tuple[str, list[Question]]:
    """A single shape: what it is."""
    rng = canvas.rng
    colour, shape = apart(rng, canvas.ground)[0], rng.choice(SHAPES)
    sides = [_side(rng, canvas.size, 1)]
    ((x, y),) = place(rng, canvas.size, sides)
    put(canvas, shape, colour, x, y, sides[0])
    said = _article(f"{colour} {shape}")
    return f"{said.capitalize()}.", [ask(rng, use, "what", said)]


def mixed_shapes(canvas: Canvas, use: Use) -> tuple[str, list[Question]]:
    """Two to four shapes, no shape and no colour twice: colour of, shape of, left, right, above, below."""
    rng = canvas.rng
    n = rng.choice((2, 2, 3, 4))
    colours, shapes = apart(rng, canvas.ground)[:n], rng.sample(SHAPES, n)
    n = len(colours)
    sides = [_side(rng, canvas.size, n + 1) for _ in range(n)]
    spots = place(rng, canvas.size, sides)
    for colour, shape, (x, y), px in zip(colours, shapes, spots, sides, strict=False):
        put(canvas, shape, colour, x, y, px)
    questions = [
        ask(rng, use, "colour", colours[0], shapes[0], candidates=tuple(COLOURS)),
        ask(rng, use, "shape", shapes[1], colours[1], candidates=SHAPES),
    ]
    centres = [(x + s / 2, y + s / 2) for (x, y), s in zip(spots, sides, strict=True)]
    names = [f"{c} {s}" for c, s in zip(colours, shapes, strict=False)]
    for a, b in rng.sample(list(permutations(range(n), 2)), 2):
        questions += related(rng, use, (names[a], names[b]), (centres[a], centres[b]))
    middle, a = canvas.size / 2, rng.randrange(n)
    if abs(centres[a][0] - middle) >= 12:
        questions.append(ask(rng, use, "half", "left" if centres[a][0] < middle else "right", names[a], "", SIDES))
    listed = [_article(name) for name in names]
    return f"{', '.join(listed[:-1])} and {listed[-1]}.".capitalize(), questions


def many_shapes(canvas: Canvas, use: Use) -> tuple[str, list[Question]]:
    """One to nine shapes of one, two or many kinds: how many of all, of one shape, of one colour."""
    rng = canvas.rng
    n = rng.randint(1, 9) if rng.random() < 0.6 else rng.randint(1, 5)
    few_colours = apart(rng, canvas.ground)[: rng.choice((1, 2, 3))]
    few_shapes = rng.sample(SHAPES, rng.choice((1, 2, 3)))
    sides = [_side(rng, canvas.size, n) for _ in range(n)]
    if rng.random() < 0.5:
        sides = [sides[0]] * n
    chosen = [(rng.choice(few_colours), rng.choice(few_shapes)) for _ in range(n)]
    for (colour, shape), (x, y), px in zip(chosen, place(rng, canvas.size, sides), sides, strict=True):
        put(canvas, shape, colour, x, y, px)
    digits = tuple(str(k) for k in range(1, 10))
    questions = [ask(rng, use, "count", str(n), "shapes", candidates=digits)]
    of_shape, of_colour = Counter(s for _, s in chosen), Counter(c for c, _ in chosen)
    shapes, colours = sorted(of_shape), sorted(of_colour)
    rng.shuffle(shapes)
    rng.shuffle(colours)
    questions += [ask(rng, use, "count", str(of_shape[shape]), plural(shape), candidates=digits) for shape in shapes]
    questions += [ask(rng, use, "count", str(of_colour[one]), f"{one} shapes", candidates=digits) for one in colours]
    listed = [f"{k} {c} {plural(s) if k > 1 else s}" for (c, s), k in sorted(Counter(chosen).items())]
    return f"{', '.join(listed)}.", questions
