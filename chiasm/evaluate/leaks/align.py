"""One picture laid over another by moving and stretching, to see whether they are alike once they lie well.

Gauss-Newton on place, stretch, contrast and brightness, from blurred copies to sharper ones (Lucas and Kanade 1981).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from chiasm.evaluate.leaks.looks import SMALL

ROUNDS = ((5, 4), (3, 4))
"""Sides of the blur in cells, and steps taken with it."""
LEAST_SHARED = 0.55
"""Of each side of both pictures: what shares less is not compared."""
LONGEST_STEP, FURTHEST = 0.08, 2.0
"""How far one step moves or stretches, as a share of the side, and by what factor all of them may stretch."""

_CELLS = (np.arange(SMALL) + 0.5) / SMALL
Copy = NDArray[np.floating[Any]]


def likeness(first_HW: NDArray[np.uint8], second_HW: NDArray[np.uint8]) -> float:
    """The correlation of what two small copies share, -1 to 1, once they lie well; -1 where that is little."""
    stretch_2, move_2 = np.ones(2), np.zeros(2)
    best = -1.0
    for blur, steps in ROUNDS:
        here, there = _blurred(first_HW, blur), _blurred(second_HW, blur)
        slopes = (np.gradient(there, axis=0), np.gradient(there, axis=1))
        for step in range(steps + 1):
            at_x, at_y = (stretch_2[axis] * _CELLS + move_2[axis] for axis in (0, 1))
            in_x, in_y = ((at >= 0) & (at <= 1) for at in (at_x, at_y))
            shared_2 = np.array((in_x.mean(), in_y.mean()))
            if (shared_2 < LEAST_SHARED).any() or (shared_2 * stretch_2 < LEAST_SHARED).any():
                return best
            wanted, found = here[np.ix_(in_y, in_x)], _sampled(there, at_y[in_y], at_x[in_x])
            if blur == ROUNDS[-1][0]:
                best = max(best, _correlation(wanted, found))
            if step == steps:
                break
            down, across = (SMALL * _sampled(slope, at_y[in_y], at_x[in_x]) for slope in slopes)
            change_4 = _step(wanted, found, across, down, _CELLS[in_x], _CELLS[in_y])
            stretch_2 = stretch_2 + change_4[::2]
            move_2 = move_2 + change_4[1::2] - change_4[::2] / 2
            if (np.abs(np.log(np.maximum(stretch_2, 1e-3))) > np.log(FURTHEST)).any():
                return best
    return best


def _step(wanted: Copy, found: Copy, across: Copy, down: Copy, x: Copy, y: Copy) -> NDArray[np.float64]:
    """Changes of stretch and move in x, then in y, by least squares; contrast and brightness are fitted with them."""
    contrast = float(wanted.std()) / max(float(found.std()), 1e-3)
    along_x, along_y = np.broadcast_arrays(x[None] - 0.5, y[:, None] - 0.5)
    parts = (contrast * across * along_x, contrast * across, contrast * down * along_y, contrast * down, found)
    slopes_C6 = np.stack([part.ravel() for part in (*parts, np.ones_like(found))], 1).astype(np.float64)
    square_66 = slopes_C6.T @ slopes_C6
    square_66[np.diag_indices(6)] += 1e-6 * np.trace(square_66)
    solved = np.linalg.solve(square_66, slopes_C6.T @ (wanted - contrast * found).ravel())
    return np.clip(solved[:4], -LONGEST_STEP, LONGEST_STEP)


def _sampled(copy: Copy, y: Copy, x: Copy) -> Copy:
    """Values between the cells, at rows and columns given from 0 to 1."""
    (rows, below), (columns, right) = (_between(along) for along in (y, x))
    lines = copy[rows] * (1 - below)[:, None] + copy[rows + 1] * below[:, None]
    return lines[:, columns] * (1 - right) + lines[:, columns + 1] * right


def _between(along: Copy) -> tuple[NDArray[np.intp], Copy]:
    cells = np.clip(along * SMALL - 0.5, 0, SMALL - 1)
    first = np.minimum(cells.astype(np.intp), SMALL - 2)
    return first, (cells - first).astype(np.float32)


def _blurred(copy: NDArray[np.uint8], side: int) -> Copy:
    padded = np.pad(copy.astype(np.float32), side // 2, mode="edge")
    lines = sliding_window_view(padded, side, 0).mean(-1)
    return sliding_window_view(lines, side, 1).mean(-1)


def _correlation(first: Copy, second: Copy) -> float:
    a, b = first - first.mean(), second - second.mean()
    return float((a * b).sum() / np.sqrt(max(float((a * a).sum() * (b * b).sum()), 1e-9)))
