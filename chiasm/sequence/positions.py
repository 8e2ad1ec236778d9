"""Rotary positions of a row, from the places of its visual tokens."""

from __future__ import annotations

import numpy as np

from chiasm.place import WHOLE, Grid, Ints, Laid
from chiasm.spec import AddByBox, Alone, Cross, Expert, Fusion, Splice


def positions(slots_T: Ints, laid: Laid, axes: int, fusion: Fusion | None) -> tuple[Ints, int]:
    """where_AT of one unpadded row, and the position of the token after it."""
    match fusion:
        case Splice(time=time) if axes > 1:
            return _spread(slots_T, laid.place_V4, laid.grids, axes, time)
        case Expert():
            return _shared(slots_T)
        case Splice() | Cross() | Alone() | AddByBox() | None:
            length = len(slots_T)
            return np.arange(length, dtype=np.int64)[None].repeat(axes, 0), length


def _shared(slots_T: Ints) -> tuple[Ints, int]:
    """Every token takes the next number, but a run of visual tokens shares one between its first and its last."""
    here = slots_T >= 0
    beside = np.pad(here, 1)
    inside = here & beside[:-2] & beside[2:]
    waits = inside & np.pad(inside, (1, 0))[:-1]
    where_T = np.cumsum(~waits) - 1
    return where_T[None], int(where_T.max(initial=-1)) + 1


def _spread(slots_T: Ints, place_V4: Ints, grids: tuple[Grid, ...], axes: int, time: float | None) -> tuple[Ints, int]:
    """With three axes (time, row, column; arXiv:2409.12191) a picture's tokens start together at the next number and spread
    along their axes; text goes on after the longer side of the picture. `time` is how many steps one second takes; none: one
    step a frame."""
    length = len(slots_T)
    where_AT = np.zeros((axes, length), np.int64)
    cursor, at = 0, 0
    while at < length:
        end = at + 1
        if slots_T[at] < 0:
            where_AT[:, at] = cursor
            cursor += 1
        else:
            number = place_V4[slots_T[at], 0]
            grid = grids[number]
            while end < length and slots_T[end] >= 0 and place_V4[slots_T[end], 0] == number:
                end += 1
            tyx = np.where(place_V4[slots_T[at:end], 1:] == WHOLE, 0, place_V4[slots_T[at:end], 1:]).T
            where_AT[:, at:end] = cursor + np.stack([steps_of_time(grid, tyx[0], time), tyx[1], tyx[2]])
            cursor += max(grid.h, grid.w)
        at = end
    return where_AT, int(where_AT.max(initial=-1)) + 1


def steps_of_time(grid: Grid, t: Ints, time: float | None) -> Ints:
    """Steps along the axis of time: the frame's number, or its second times the rate, cut to a whole number in float32."""
    if time is None or not grid.times:
        return t
    rate = np.float32(time) * np.float32(grid.times[1] - grid.times[0] if len(grid.times) > 1 else 1.0)
    return (t.astype(np.float32) * rate).astype(np.int64)
