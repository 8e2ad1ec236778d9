"""Named pictures: emoji in several drawing styles, on any ground."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from chiasm.render.assets import Assets
from chiasm.render.canvas import Canvas
from chiasm.render.shapes import place, related
from chiasm.render.sources import Use
from chiasm.render.truth import Question, Thing
from chiasm.render.wordings import ask


@lru_cache(maxsize=16)
def _style(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A style's sprites (N, side, side, 4), mapped from disk, and the numbers of the concepts that it draws."""
    sprites = np.load(path, mmap_mode="r")
    return sprites, np.flatnonzero(sprites[:, ::3, ::3, 3].max(axis=(1, 2)))


def _emoji(canvas: Canvas, assets: Assets, concept: int | None, px: int, x: int, y: int) -> int:
    """Draws one emoji and returns the number of its concept."""
    rng = canvas.rng
    path = rng.choice(assets.styles)
    sprites, drawn = _style(path)
    if concept is None or not sprites[concept, ..., 3].any():
        concept = int(drawn[rng.randrange(len(drawn))])
    sprite = Image.fromarray(sprites[concept], "RGBA")
    if rng.random() < 0.3:
        sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.4:
        sprite = sprite.rotate(rng.uniform(-20, 20), Image.Resampling.BILINEAR)
    if rng.random() < 0.4:
        rgb = ImageEnhance.Color(sprite.convert("RGB")).enhance(rng.uniform(0.3, 1.5))
        sprite = Image.merge("RGBA", (*rgb.split(), sprite.getchannel("A")))
    sprite = sprite.resize((px, max(8, int(px * rng.uniform(0.85, 1.15)))), Image.Resampling.BILINEAR)
    canvas.image.paste(sprite, (x, y), sprite)
    canvas.things.append(Thing(assets.concepts[concept], "", (x, y, x + sprite.width, y + sprite.height)))
    return concept


def named(canvas: Canvas, assets: Assets, use: Use) -> tuple[str, list[Question]]:
    """One emoji: its name, alone and among 20 candidates."""
    rng, size = canvas.rng, canvas.size
    px = rng.randint(min(56, size // 2), int(size * 0.85))
    x, y = rng.randint(0, size - px), rng.randint(0, int(size - 0.9 * px))
    name = assets.concepts[_emoji(canvas, assets, None, px, x, y)]
    others = rng.sample([c for c in assets.concepts if c != name], min(19, len(assets.concepts) - 1))
    candidates = [name, *others]
    rng.shuffle(candidates)
    return f"A picture of {name}.", [ask(rng, use, "what", name, candidates=tuple(candidates))]


def pair(canvas: Canvas, assets: Assets, use: Use) -> tuple[str, list[Question]]:
    """Two to four emoji: which is left or right of, above or below which."""
    rng, size = canvas.rng, canvas.size
    n = rng.randint(2, 4)
    sides = [rng.randint(size // 5, int(size / (1.2 + 0.4 * n))) for _ in range(n)]
    spots = place(rng, size, sides)
    names = [assets.concepts[_emoji(canvas, assets, None, px, *at)] for px, at in zip(sides, spots, strict=True)]
    a, b = rng.sample(range(n), 2)
    centres = [(x + s / 2, y + s / 2) for (x, y), s in zip(spots, sides, strict=True)]
    alike = len(set(names)) < n
    questions = [] if alike else related(rng, use, (names[a], names[b]), (centres[a], centres[b]))
    return f"Pictures of {', '.join(names[:-1])} and {names[-1]}.", questions


def crowd(canvas: Canvas, assets: Assets, use: Use) -> tuple[str, list[Question]]:
    """Rows of emoji all over the picture; no question, only names and boxes."""
    rng, size = canvas.rng, canvas.size
    across = rng.randint(2, max(2, size // 40))
    step = size / across
    names = []
    for k in range(across * across):
        px = int(step * rng.uniform(0.72, 0.98))
        x = int(k % across * step + rng.uniform(0, step - px))
        y = int(k // across * step + rng.uniform(0, max(0.0, step - 1.15 * px)))
        names.append(assets.concepts[_emoji(canvas, assets, None, px, x, y)])
    return f"Pictures of {', '.join(names)}.", []
