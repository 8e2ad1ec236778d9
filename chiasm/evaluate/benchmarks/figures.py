"""Numbers of a run with their uncertainty."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev
from typing import TYPE_CHECKING, Any

import numpy as np

from chiasm.evaluate.intervals import wilson

Array = np.ndarray[Any, Any]

if TYPE_CHECKING:
    from chiasm.evaluate.benchmarks.task import Record

Z = NormalDist().inv_cdf(0.975)
TIMES, SEED = 1000, 0
"""Resamples of a bootstrap, and what they are drawn from."""


@dataclass(frozen=True)
class Figure:
    """A number of a run, its standard error and 95 % interval, and how many questions it rests on."""

    name: str
    value: float
    stderr: float
    low: float
    high: float
    n: int


def mean(name: str, scores: Sequence[float]) -> Figure:
    """Of scores from 0 to 1. Where all are right or wrong, the interval is Wilson's, else the normal one within 0 and 1."""
    n, value = len(scores), fmean(scores)
    stderr = stdev(scores) / math.sqrt(n) if n > 1 else math.nan
    if all(score in (0, 1) for score in scores):
        share = wilson(round(sum(scores)), n)
        return Figure(name, value, stderr, share.low, share.high, n)
    half = Z * stderr if n > 1 else 1.0
    return Figure(name, value, stderr, max(0.0, value - half), min(1.0, value + half), n)


def open_mean(name: str, scores: Sequence[float]) -> Figure:
    """Of scores that may go beyond 1."""
    n, value = len(scores), fmean(scores)
    stderr = stdev(scores) / math.sqrt(n) if n > 1 else math.nan
    return Figure(name, value, stderr, value - Z * stderr, value + Z * stderr, n)


def bootstrap(counts: Sequence[Sequence[int]], statistics: Mapping[str, Callable[..., float]]) -> list[Figure]:
    """Of statistics of a run that rest on sums alone, by name: a row of counts for each question, whose sums they are given.
    Questions are drawn again with replacement, percentiles; the same seed every time, and the same draws for each statistic.
    One that divides by zero counts as 0.
    """
    n = len(counts)
    kinds, which = np.unique(np.array(counts), axis=0, return_inverse=True)
    draw = _python()

    def sums(drawn: Array) -> list[int]:
        """Of the rows at these places: how many of each kind, times what the kind counts."""
        return (np.bincount(which.ravel()[drawn], minlength=len(kinds)) @ kinds).tolist()

    whole = sums(np.arange(n))
    resampled = [sums((draw.random_sample(n) * n).astype(int)) for _ in range(TIMES)]

    def figure(name: str, of: Callable[..., float]) -> Figure:
        drawn = sorted(_guarded(of, one) for one in resampled)
        low, high = drawn[round(0.025 * (TIMES - 1))], drawn[round(0.975 * (TIMES - 1))]
        return Figure(name, _guarded(of, whole), stdev(drawn), low, high, n)

    return [figure(name, of) for name, of in statistics.items()]


def _python() -> np.random.RandomState:
    """A generator that draws the numbers that Python's own draws from the seed."""
    *key, place = random.Random(SEED).getstate()[1]
    draw = np.random.RandomState()
    draw.set_state(("MT19937", np.array(key, np.uint32), place, 0, 0.0))
    return draw


def _guarded(of: Callable[..., float], sums: Sequence[int]) -> float:
    try:
        return of(*sums)
    except ZeroDivisionError:
        return 0.0


def macro(name: str, groups: Sequence[Figure]) -> Figure:
    """The mean of groups that were counted apart, each as much as another."""
    value = fmean(group.value for group in groups)
    stderr = math.sqrt(sum(group.stderr**2 for group in groups)) / len(groups)
    n = sum(group.n for group in groups)
    return Figure(name, value, stderr, max(0.0, value - Z * stderr), min(1.0, value + Z * stderr), n)


def by(records: Sequence[Record], group: str) -> dict[str, list[Record]]:
    """Records by what a group of theirs is called, in the order in which it comes."""
    found: dict[str, list[Record]] = {}
    for record in records:
        if group in record.groups:
            found.setdefault(record.groups[group], []).append(record)
    return found


def natural(name: str) -> tuple[float, str]:
    """An order of names: numbers by size, then words."""
    try:
        return float(name), ""
    except ValueError:
        return math.inf, name


def scores(records: Sequence[Record]) -> list[float]:
    return [record.judged.score for record in records]


def grouped(records: Sequence[Record], group: str) -> list[Figure]:
    """The mean score in each group, by name."""
    return [
        mean(f"{group}: {name}", scores(several))
        for name, several in sorted(by(records, group).items(), key=lambda one: natural(one[0]))
    ]


def overall_and_groups(records: Sequence[Record]) -> tuple[Figure, ...]:
    """The mean score over all questions, then in each group of each kind."""
    kinds = dict.fromkeys(kind for record in records for kind in record.groups)
    return (mean("accuracy", scores(records)), *(figure for kind in kinds for figure in grouped(records, kind)))
