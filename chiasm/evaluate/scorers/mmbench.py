"""MMBench: the same question with its options turned round, right only if every turn is."""

from __future__ import annotations

import string
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chiasm.evaluate.scorers.mcq import infer

OPTIONS = tuple(string.ascii_uppercase)
"""Columns that may hold an option."""

TURN = 1_000_000
"""Turn k of question n has index n + k TURN."""


@dataclass(frozen=True)
class Turn:
    """One asking: its index, the options by letter, the right letter, and what was said."""

    index: int
    options: Mapping[str, object]
    answer: str
    prediction: str


def vanilla(turn: Turn) -> bool:
    """Whether one asking is right by VLMEvalKit's reader; what cannot be read is wrong."""
    return infer(turn.prediction, turn.options) == turn.answer


def circular(turns: Sequence[Turn]) -> dict[int, bool]:
    """Whether every turn of each question is right (VLMEvalKit's `eval_circular_group` without a judge), by its own index."""
    groups: dict[int, list[bool]] = defaultdict(list)
    for turn in turns:
        groups[turn.index % TURN].append(vanilla(turn))
    return {index: all(right) for index, right in groups.items()}
