"""Shares with their uncertainty, and two answers to the same questions compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

import numpy as np

RESAMPLES, SEED = 2000, 0
"""Of a bootstrap, and what they are drawn from."""


@dataclass(frozen=True)
class Interval:
    """An estimate between its bounds."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Paired:
    """How much more often the first of two is right on the same questions, and how likely so uneven a split is by chance."""

    difference: Interval
    p: float


def _z(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)


def wilson(right: int, total: int, level: float = 0.95) -> Interval:
    """A share and its score interval (Wilson 1927, doi:10.1080/01621459.1927.10502953), sound at 0 and at 1 too.

    Raises `ValueError` for no samples, or more right ones than there are.
    """
    if not 0 <= right <= total or total == 0:
        raise ValueError(f"{right} right of {total}: a share needs at least one sample")
    z, share = _z(level), right / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p of so uneven a split of the questions that one of two alone got right (McNemar 1947)."""
    split = only_first + only_second
    tail = sum(math.comb(split, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / 2**split)


def paired(first: Sequence[bool], second: Sequence[bool], level: float = 0.95) -> Paired:
    """The difference of two shares over the same questions, with the adjusted Wald interval of Bonett and Price (2012,
    doi:10.3102/1076998611411915) and McNemar's exact p. Raises `ValueError` unless both are as long and not empty."""
    if len(first) != len(second) or not first:
        raise ValueError(f"{len(first)} and {len(second)} answers: two of the same questions are compared")
    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    total = len(first)
    more, less = (only_first + 1) / (total + 2), (only_second + 1) / (total + 2)
    half = _z(level) * math.sqrt((more + less - (more - less) ** 2) / (total + 2))
    middle = more - less
    difference = Interval((only_first - only_second) / total, max(-1.0, middle - half), min(1.0, middle + half))
    return Paired(difference, mcnemar(only_first, only_second))


def bootstrapped(values: Sequence[float], level: float = 0.95) -> Interval:
    """The mean of values between percentiles of means of as many that are drawn again with replacement (Efron 1979,
    doi:10.1214/aos/1176344552); the same draws every time. Raises `ValueError` for no values."""
    if not values:
        raise ValueError("no values: a mean needs at least one")
    draw, known = np.random.default_rng(SEED), np.asarray(values, np.float64)
    means = [float(known[draw.integers(0, len(known), len(known))].mean()) for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(fmean(values), float(low), float(high))
