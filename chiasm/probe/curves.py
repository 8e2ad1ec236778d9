"""Answers as curves over what was swept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from chiasm.evaluate.benchmarks.figures import Z
from chiasm.evaluate.intervals import Interval, wilson
from chiasm.evaluate.runs.store import Sample
from chiasm.probe.run import Probed
from chiasm.probe.tasks import AS_DRAWN

RANGES = ((1, 5), (6, 10), (11, 15))
"""Of how many things there were."""


@dataclass(frozen=True)
class Point:
    """A level with what was measured there."""

    level: str
    at: Interval
    n: int


@dataclass(frozen=True)
class Curve:
    """One line of a plot."""

    name: str
    points: tuple[Point, ...]


def accuracy(runs: Sequence[Probed]) -> list[Curve]:
    """The share of right answers, a curve for each model and each way of showing the pictures."""
    return _shares(runs, lambda sample: sample.score == 1)


def by_tokens(runs: Sequence[Probed]) -> list[Curve]:
    """The share of right answers over all levels by the visual tokens that were spent, a curve for each model."""
    made = []
    for run in runs:
        points = []
        for variant, tokens in sorted(run.tokens.items(), key=lambda one: one[1]):
            right = [sample.score == 1 for sample in run.samples if sample.variant == variant]
            if right:
                points.append(Point(str(tokens), wilson(sum(right), len(right)), len(right)))
        made.append(Curve(run.model, tuple(points)))
    return made


def by_number(run: Probed) -> list[Curve]:
    """The share of right answers as drawn, a curve for each range of how many there were."""
    drawn = [sample for sample in run.samples if sample.variant == AS_DRAWN]
    made = []
    for low, high in RANGES:
        found = [sample for sample in drawn if low <= int(sample.gold["answer"]) <= high]
        by_level = (
            (str(level), [s.score == 1 for s in found if s.slices["level"] == str(level)]) for level in run.skill.levels
        )
        points = (Point(level, wilson(sum(right), len(right)), len(right)) for level, right in by_level if right)
        made.append(Curve(f"{low} to {high}", tuple(points)))
    return made


def errors(runs: Sequence[Probed]) -> list[Curve]:
    """By how much numbers are wrong: below 0 is too few. Answers that name no number are left out."""
    made = []
    for name, found in _curves(runs):
        points = []
        for level, some in found:
            wrong = [float(s.parsed) - float(s.gold["answer"]) for s in some if s.parsed is not None]
            if wrong:
                points.append(Point(level, _mean(wrong), len(wrong)))
        made.append(Curve(name, tuple(points)))
    return made


def yes_rate(runs: Sequence[Probed]) -> list[Curve]:
    """How often yes was said; it is true of half of the questions."""
    return _shares(runs, lambda sample: sample.parsed == "yes")


def _shares(runs: Sequence[Probed], holds: Callable[[Sample], bool]) -> list[Curve]:
    made = []
    for name, found in _curves(runs):
        points = (Point(level, wilson(sum(map(holds, some)), len(some)), len(some)) for level, some in found)
        made.append(Curve(name, tuple(points)))
    return made


def _mean(values: Sequence[float]) -> Interval:
    middle = fmean(values)
    half = Z * stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return Interval(middle, middle - half, middle + half)


def _curves(runs: Sequence[Probed]) -> list[tuple[str, list[tuple[str, list[Sample]]]]]:
    """Samples by model and variant, then by level, in order; of several models only pictures as they were drawn."""
    made = []
    for run in runs:
        variants = dict.fromkeys(sample.variant for sample in run.samples)
        for variant in variants if len(runs) == 1 else (AS_DRAWN,):
            shown = [sample for sample in run.samples if sample.variant == variant]
            counted = f" ({run.tokens[variant]} tokens)" if variant in run.tokens else ""
            name = run.model if variant == AS_DRAWN else f"{run.model}, {variant}{counted}"
            levels = [str(level) for level in run.skill.levels]
            by_level = [(level, [s for s in shown if s.slices["level"] == level]) for level in levels]
            made.append((name, [(level, some) for level, some in by_level if some]))
    return made
