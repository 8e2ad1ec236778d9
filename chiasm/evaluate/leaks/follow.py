"""Which clips of two sets are the same one, re-encoded, at another rate or trimmed: their frames' looks are alike in one order.

Of two clips as many frames can be alike as the shorter one has at the wider of both steps. Those that are, in the order of both
(the longest common subsequence), must be most of them; some are then laid over each other, as pictures are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from chiasm.evaluate.leaks.align import likeness
from chiasm.evaluate.leaks.alike import Stack, candidates, stacked
from chiasm.evaluate.leaks.clips import Followed

LEAST, SHARE = 3, 0.6
"""Frames that are alike in order, and their share of those that could be."""
LAID, CLOSELY = 5, 0.9
"""Pairs of frames that are laid over each other, and what the middle one of their correlations is at least."""

Views = tuple[int, int]
Alike = Mapping[tuple[int, int], Views]
"""Frames of two clips that are alike, by number, and the views in which they are most so."""


@dataclass(frozen=True)
class Same:
    """A clip of the first set by its number, and one of the second: the share of frames alike in order, and their likeness."""

    first: int
    second: int
    share: float
    likeness: float


@dataclass(frozen=True, eq=False)
class Shelf:
    """The looks of many clips behind one another: whose each is, and its number there."""

    clips: tuple[Followed, ...]
    stack: Stack | None
    owner_N: NDArray[np.int64]
    number_N: NDArray[np.int64]


def shelved(clips: Sequence[Followed]) -> Shelf:
    owners = np.repeat(np.arange(len(clips)), [len(one.looks) for one in clips])
    numbers = [number for one in clips for number in range(len(one.looks))]
    return Shelf(tuple(clips), stacked([look for one in clips for look in one.looks]), owners, np.array(numbers, np.int64))


def same(first: Shelf, second: Shelf) -> Iterator[Same]:
    """All pairs that are the same clip, those of the second set in their order."""
    if first.stack is None or second.stack is None:
        return
    by_pair: dict[tuple[int, int], dict[tuple[int, int], Views]] = {}
    for (one, other), (_, _, views) in candidates(first.stack, second.stack).items():
        pair = int(second.owner_N[other]), int(first.owner_N[one])
        by_pair.setdefault(pair, {})[int(first.number_N[one]), int(second.number_N[other])] = views
    for (theirs, mine), alike in sorted(by_pair.items()):
        found = _same(first.clips[mine], second.clips[theirs], alike)
        if found is not None:
            yield Same(mine, theirs, *found)


def _same(one: Followed, other: Followed, alike: Alike) -> tuple[float, float] | None:
    """The share of frames alike in order and how alike they are; none of clips that are not the same."""
    could = max(1.0, min(one.seconds, other.seconds) / max(one.apart, other.apart))
    if len(alike) < LEAST:
        return None
    path = in_order(alike)
    share = min(1.0, len(path) / could)
    if len(path) < LEAST or share < SHARE:
        return None
    picked = [path[number * (len(path) - 1) // (LAID - 1)] for number in range(LAID)]
    laid = [likeness(one.looks[a].small_VHW[alike[a, b][0]], other.looks[b].small_VHW[alike[a, b][1]]) for a, b in picked]
    return (round(share, 4), round(median(laid), 4)) if median(laid) >= CLOSELY else None


def in_order(alike: Alike) -> list[tuple[int, int]]:
    """The longest run of pairs in which both numbers grow."""
    rows: dict[int, list[int]] = {}
    for a, b in alike:
        rows.setdefault(a, []).append(b)
    # Of the pairs seen so far: the least second number that ends a run of each length, and the pair before each.
    ends: list[tuple[int, int]] = []
    before: dict[tuple[int, int], tuple[int, int] | None] = {}
    for a in sorted(rows):
        # From the back, so that no two pairs of one frame follow one another.
        for b in sorted(rows[a], reverse=True):
            place = sum(end[1] < b for end in ends)
            before[a, b] = ends[place - 1] if place else None
            ends[place : place + 1] = [(a, b)]
    path: list[tuple[int, int]] = []
    step = ends[-1] if ends else None
    while step is not None:
        path.append(step)
        step = before[step]
    return path[::-1]
