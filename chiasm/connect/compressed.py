"""Compression by name, and a model's design with it: steps without weights after those that a model has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from chiasm.errors import UserError
from chiasm.spec import Causal, MergeAlike, MergeFrames, PoolSquares, Prune, RowColumn, RowEnds, Splice, Step

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
    sight = model.sight
    if sight is None or not isinstance(sight.fusion, Splice):
        meets = "it sees nothing" if sight is None else f"its pictures meet the text by {type(sight.fusion).__name__}"
        raise UserError(f"compress={named!r} takes a model whose visual tokens stand in the sequence, and of this one {meets}")
    if isinstance(sight.marks, RowEnds | RowColumn):
        marks = type(sight.marks).__name__
        raise UserError(f"compress={named!r}: this model's prompt marks rows or tiles of cells ({marks}); load it as it is")
    return replace(model, sight=replace(sight, connector=(*sight.connector, *map(_named, named.split("+")))))


def _named(word: str) -> Step:
    kind = word.strip().rstrip("0123456789").rstrip(":")
    number = word.strip()[len(kind) :].lstrip(":")
    if kind not in COMPRESSIONS or (number and int(number) < 1):
        known = ", ".join(f"{name}:N ({said})" for name, (said, _, _) in COMPRESSIONS.items())
        raise UserError(f"no compression is called {word!r}; known are {known}, joined by +")
    _, usual, make = COMPRESSIONS[kind]
    return make(int(number) if number else usual)
