"""Compared runs as rows of text and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from chiasm.evaluate.benchmarks.figures import Figure
from chiasm.evaluate.runs.compare import Compared, Difference, Pair, Side
from chiasm.evaluate.runs.outcome import plain

COSTS = (
    "task",
    "run",
    "figure",
    "value",
    "95 %",
    "blank",
    "s/answer",
    "picture tokens",
    "text",
    "written",
    "unparsed",
    "failed",
)
ROWS = ("task", "from", "to", "slice", "n", "from", "to", "change", "95 %", "p", "worse", "better")


def costs(found: Sequence[Compared]) -> Iterator[tuple[str, ...]]:
    """A line for each run: the benchmark's own figure, and what an answer cost."""
    yield COSTS
    for one in found:
        for side in one.sides:
            yield (one.task, side.label, *cells(side))


def cells(side: Side) -> tuple[str, ...]:
    """What a table says of a run: figure, value, interval, blank, cost, answers that were not read or not given."""
    figure, cost = side.figures["picture"], side.cost
    blank = percent(side.figures["blank"].value) if "blank" in side.figures else ""
    spent = (number(cost.seconds, 3), number(cost.image_tokens, 0), number(cost.text_tokens, 0), number(cost.generated, 1))
    return (figure.name, percent(figure.value), interval(figure), blank, *spent, str(side.unparsed), str(side.failed))


def rows(found: Sequence[Compared]) -> Iterator[tuple[str, ...]]:
    """A line for each pair and slice of its questions."""
    yield ROWS
    for one in found:
        for pair in one.pairs:
            for number, made in enumerate(pair.differences):
                split = (str(pair.only_first), str(pair.only_second)) if number == 0 else ("", "")
                yield (one.task, pair.first.label, pair.second.label, *changed(made), *split)


def changed(made: Difference) -> tuple[str, ...]:
    """What a table says of a difference: slice, questions, both scores, change, its interval, McNemar's p."""
    change = made.change
    between = f"{100 * change.low:+.1f} to {100 * change.high:+.1f}"
    p = "" if made.p is None else f"{made.p:.3f}" if made.p >= 0.001 else "<0.001"
    return (made.name, str(made.n), percent(made.first), percent(made.second), f"{100 * change.value:+.1f}", between, p)


def notes(found: Sequence[Compared]) -> list[str]:
    """What a reader must know: settings that are not the same, and what the numbers are."""
    said = [
        f"UNEQUAL, {one.task}, {pair.first.label} and {pair.second.label}: {differing.sentence}"
        for one in found
        for pair in one.pairs
        for differing in pair.unequal
    ]
    return [*said, *(f"{one.task}: {sentence}" for one in found for sentence in meaning(one))]


def meaning(one: Compared) -> list[str]:
    """What changes are, where a reader might take them for something else."""
    said = ["changes are of the mean score of the questions that both answered; intervals are bootstrapped by question"]
    if any(abs(pair.first.figures["picture"].value - pair.overall.first) > 1e-9 for pair in one.pairs):
        said.append(f"the benchmark's own figure ({one.sides[0].figures['picture'].name}) is not that mean")
    tested = max(len(pair.differences) for pair in one.pairs) - 1
    if tested > 1:
        said.append(f"of {tested} slices about {0.05 * tested:.1f} would show a change outside of its interval by chance")
    return said


def as_json(one: Compared) -> dict[str, Any]:
    return {"task": one.task, "runs": [_side(side) for side in one.sides], "pairs": [_pair(pair) for pair in one.pairs]}


def _side(side: Side) -> dict[str, Any]:
    return {
        "run": side.label,
        "folder": str(side.folder),
        "scorer": side.scorer,
        "figures": {shown: plain(figure) for shown, figure in side.figures.items()},
        "cost": asdict(side.cost),
        "unparsed": side.unparsed,
        "failed": side.failed,
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "from": pair.first.label,
        "to": pair.second.label,
        "shared": len(pair.shared),
        "worse": pair.only_first,
        "better": pair.only_second,
        "differences": [asdict(made) for made in pair.differences],
        "unequal": [asdict(one) for one in pair.unequal],
    }


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def interval(figure: Figure) -> str:
    return "" if math.isnan(figure.low) else f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"


def number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
