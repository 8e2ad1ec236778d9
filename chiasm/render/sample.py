"""One door: `sample(i, seed, use)` is a picture with its truth and depends on its arguments alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from chiasm.render import charts, named, shapes, tables, writing
from chiasm.render.assets import Assets, assets
from chiasm.render.canvas import Canvas, any_colour
from chiasm.render.sources import Use
from chiasm.render.truth import Question, Sample

Draw = Callable[[Canvas, Assets, Use], tuple[str, list[Question]]]

KINDS: Mapping[str, Draw] = {
    "number": writing.number,
    "word": writing.word,
    "line": writing.line,
    "page": writing.page,
    "one shape": lambda canvas, _, use: shapes.one_shape(canvas, use),
    "mixed shapes": lambda canvas, _, use: shapes.mixed_shapes(canvas, use),
    "many shapes": lambda canvas, _, use: shapes.many_shapes(canvas, use),
    "bars": charts.bars,
    "curve": charts.curve,
    "table": tables.table,
    "receipt": tables.receipt,
    "named": named.named,
    "pair": named.pair,
    "crowd": named.crowd,
}

_DRAWN_FROM_STYLES = frozenset({"named", "pair", "crowd"})
_TURNED = frozenset({"number", "word", "line", "page"})
_GROUNDS = ((255, 255, 255), (250, 248, 240), (235, 235, 235), (20, 20, 24))


def sample(
    i: int,
    seed: int,
    use: Use = "train",
    kind: str | None = None,
    size: int = 224,
    material: Assets | None = None,
) -> Sample:
    """Draws picture number `i` of a seed.

    Args:
        use: the split; fonts, emoji styles and wordings of "held-out" are in no picture of "train".
        kind: one of `KINDS`; None picks one at random among those that the material allows.
        size: side of the square picture in pixels, at most 224.
        material: fonts and emoji; None takes what was fetched (`assets(use)`).

    Raises:
        ValueError: the kind is unknown, the size is outside 64 to 224, or no emoji were fetched for a kind of emoji.
    """
    if not 64 <= size <= 224:
        raise ValueError(f"a picture of {size} px a side: expected 64 to 224")
    material = assets(use) if material is None else material
    rng = random.Random(f"{use} {seed} {i} {kind} {size}")
    if kind is None:
        kind = rng.choice([k for k in KINDS if material.styles or k not in _DRAWN_FROM_STYLES])
    if kind not in KINDS:
        raise ValueError(f"no kind of picture is called {kind!r}; known: {', '.join(KINDS)}")
    if kind in _DRAWN_FROM_STYLES and not material.styles:
        raise ValueError(f"pictures of kind {kind!r} need fetched emoji: run python -m chiasm.render.assets")
    ground = rng.choice(_GROUNDS) if rng.random() < 0.4 else any_colour(rng)
    canvas = Canvas(size, rng, ground)
    caption, questions = KINDS[kind](canvas, material, use)
    picture, truth = canvas.finish(turn=kind in _TURNED)
    return Sample(picture, kind, caption, tuple(questions), truth)
