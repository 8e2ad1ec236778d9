"""Compression by name, and a model's design with it: steps without weights after those that a model has."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace

from chiasm.errors import UserError
from chiasm.geometry import narrows
from chiasm.geometry.limits import is_limit, limited
from chiasm.spec import Causal, Discrete, MergeAlike, MergeFrames, Model, PoolSquares, Prune, RowColumn, RowEnds, Splice, Step

COMPRESSIONS: dict[str, tuple[str, int, Callable[[int], Step]]] = {
    "pool": ("the mean of squares of N x N tokens", 2, PoolSquares),
    "merge-alike": ("one token for every N, those most alike merged (ToMe)", 4, MergeAlike),
    "prune": ("one token for every N, those that the view's mean attends to most", 2, Prune),
    "prune-alike": ("one token for every N, those least like the view's mean", 2, lambda ratio: Prune(ratio, "unlike")),
    "merge-frames": ("the mean of every N frames of a clip", 4, MergeFrames),
}
"""What each word does, the number N that stands for none given, and the step."""


def compressed(model: Causal, named: str) -> Causal:
    """A model that shows its decoder fewer tokens: the steps that `named` lists, joined by +, after its connector's own.

    No weight changes and none is added. Raises `UserError` for an unknown word, a model that sees nothing or does not splice
    its pictures into the sequence, and one whose prompt marks each row or tile of cells, which there are none of any more.
    """
    return _with(model, f"compress={named!r}", compressions(named))


def compressions(named: str) -> tuple[Step, ...]:
    """The steps that a name lists, joined by +. Raises `UserError` for an unknown word."""
    return tuple(map(_named, named.split("+")))


def budgeted(model: Causal, named: str) -> Causal:
    """A model that heeds how much a policy gives a picture: itself where its views do, else with alike tokens merged after its
    connector's steps; or one whose views a limit holds. Raises `UserError` as `compressed` and `limited` do."""
    if is_limit(named):
        return limited(model, named)
    if model.sight is not None and narrows(model.sight.views):
        return model
    return _with(model, f"budget={named!r}", (MergeAlike("told"),))


def shown_less(model: Model, compress: str | None, budget: str | None) -> Model:
    """A model with the steps that leave it fewer visual tokens, where some are asked for. Raises `UserError`."""
    for asked, named, fewer in (("compress", compress, compressed), ("budget", budget, budgeted)):
        if named is not None:
            if not isinstance(model, Causal):
                kind = type(model).__name__
                raise UserError(f"{asked}={named!r} takes a model that writes after pictures, and this one is {kind}")
            model = fewer(model, named)
    return model


def _with(model: Causal, asked: str, steps: tuple[Step, ...]) -> Causal:
    sight = model.sight
    if sight is None or not isinstance(sight.fusion, Splice):
        meets = "it sees nothing" if sight is None else f"its pictures meet the text by {type(sight.fusion).__name__}"
        raise UserError(f"{asked} takes a model whose visual tokens stand in the sequence, and of this one {meets}")
    if isinstance(sight.fusion, Discrete):
        raise UserError(f"{asked}: this model's pictures are words of its vocabulary, which have no mean; load it as it is")
    if isinstance(sight.marks, RowEnds | RowColumn):
        marks = type(sight.marks).__name__
        raise UserError(f"{asked}: this model's prompt marks rows or tiles of cells ({marks}); load it as it is")
    return replace(model, sight=replace(sight, connector=(*sight.connector, *steps)))


def _named(word: str) -> Step:
    kind = word.strip().rstrip("0123456789").rstrip(":")
    number = word.strip()[len(kind) :].lstrip(":")
    if kind not in COMPRESSIONS or (number and int(number) < 1):
        close = difflib.get_close_matches(kind, COMPRESSIONS, cutoff=0.6) if kind not in COMPRESSIONS else []
        known = ", ".join(f"{name}:N ({COMPRESSIONS[name][0]})" for name in close or COMPRESSIONS)
        raise UserError(f"no compression is called {word!r}; {'near it' if close else 'known'} are {known}, joined by +")
    _, usual, make = COMPRESSIONS[kind]
    return make(int(number) if number else usual)
