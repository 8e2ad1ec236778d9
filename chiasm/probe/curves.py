"""Answers as curves over what was swept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from chiasm.evaluate.benchmarks.figures import Z
from chiasm.evaluate.intervals import Interval, wilson
from chiasm.evaluate.runs.store import Sample
from chiasm.probe.run import AS_DRAWN, Probed


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
    """The share of right answers, a curve for each model and each size of picture."""
    return _shares(runs, lambda sample: sample.score == 1)


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
    """Samples by model and variant, then by level, in order."""
    made = []
    for run in runs:
        for variant in dict.fromkeys(sample.variant for sample in run.samples):
            shown = [sample for sample in run.samples if sample.variant == variant]
            tokens = fmean(sample.tokens["image"] for sample in shown if "image" in sample.tokens) if _counted(shown) else None
            counted = "" if tokens is None or variant == AS_DRAWN else f" ({tokens:.0f} tokens)"
            name = run.model if variant == AS_DRAWN else f"{run.model}, {variant}{counted}"
            levels = [str(level) for level in run.skill.levels]
            by_level = [(level, [s for s in shown if s.slices["level"] == level]) for level in levels]
            made.append((name, [(level, some) for level, some in by_level if some]))
    return made


def _counted(samples: Sequence[Sample]) -> bool:
    return any("image" in sample.tokens for sample in samples)
