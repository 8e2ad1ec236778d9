"""Which pictures of two sets look alike: by their hashes first, then by coarse copies, then laid over each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chiasm.evaluate.leaks.align import likeness
from chiasm.evaluate.leaks.looks import Look

WAVES_APART, STEPS_APART = 14, 18
"""Bits of 64 in which hashes of like pictures differ at most."""
COARSELY, CLOSELY = 0.65, 0.95
"""Correlations of like pictures at least: of coarse copies as they lie, of small ones once they lie well."""
COVERED = ((0, 0), (1, 1), (0, 1), (1, 0), (1, 2), (2, 1))
"""Views of the first and of the second that are held against each other."""
AT_ONCE = 256


@dataclass(frozen=True)
class Near:
    """A picture of the first set by its number, and one of the second: bits in which their hashes differ, and likeness."""

    first: int
    second: int
    waves: int
    steps: int
    likeness: float


@dataclass(frozen=True, eq=False)
class Stack:
    """The looks of many pictures, by the numbers of those that have one."""

    numbers: tuple[int, ...]
    waves_NV: NDArray[np.uint64]
    steps_NV: NDArray[np.uint64]
    coarse_NVC: NDArray[np.float32]
    small_NVHW: NDArray[np.uint8]


def stacked(looks: Sequence[Look | None]) -> Stack | None:
    """None where no picture has a look."""
    known = [(number, look) for number, look in enumerate(looks) if look is not None]
    if not known:
        return None
    return Stack(
        tuple(number for number, _ in known),
        np.stack([look.waves_V for _, look in known]),
        np.stack([look.steps_V for _, look in known]),
        np.stack([look.coarse_VC for _, look in known]),
        np.stack([look.small_VHW for _, look in known]),
    )


def near(first: Stack, second: Stack) -> list[Near]:
    """All pairs that look alike, those of the second set in their order."""
    found = []
    for (one, other), (waves, steps, views) in sorted(candidates(first, second).items(), key=lambda pair: pair[0][::-1]):
        alike = likeness(first.small_NVHW[one, views[0]], second.small_NVHW[other, views[1]])
        if alike >= CLOSELY:
            found.append(Near(first.numbers[one], second.numbers[other], waves, steps, round(alike, 4)))
    return found


def candidates(first: Stack, second: Stack) -> dict[tuple[int, int], tuple[int, int, tuple[int, int]]]:
    """Places in both of pairs with like hashes and like coarse copies: bits apart, and the views that are most alike."""
    best: dict[tuple[int, int], tuple[float, int, int, tuple[int, int]]] = {}
    for views in COVERED:
        mine, theirs = views
        for start in range(0, len(second.numbers), AT_ONCE):
            block = slice(start, start + AT_ONCE)
            apart_12 = np.bitwise_count(first.waves_NV[:, mine, None] ^ second.waves_NV[None, block, theirs])
            ones, others = np.nonzero(apart_12 <= WAVES_APART)
            stepped = np.bitwise_count(first.steps_NV[ones, mine] ^ second.steps_NV[others + start, theirs])
            alike = np.einsum("pc,pc->p", first.coarse_NVC[ones, mine], second.coarse_NVC[others + start, theirs])
            for place in np.nonzero((stepped <= STEPS_APART) & (alike >= COARSELY))[0]:
                one, other = int(ones[place]), int(others[place])
                made = (float(alike[place]), int(apart_12[one, other]), int(stepped[place]), views)
                key = (one, other + start)
                best[key] = max(best.get(key, made), made)
    return {key: made[1:] for key, made in best.items()}
