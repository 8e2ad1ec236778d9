"""What each token of a row shows: a visual token its own place, a mark its view, a row of it or the whole."""

from __future__ import annotations

import numpy as np

from chiasm.place import Ints, Laid
from chiasm.prompt.marks import around
from chiasm.prompt.row import NO_SLOT
from chiasm.spec import Marks


def places_of(slots_T: Ints, laid: Laid, marks: Marks | None) -> Ints:
    """(grid, t, y, x) of each token, [T, 4]; -1 is the whole of an axis, and of all of them in text."""
    place_T4 = np.full((len(slots_T), 4), -1, np.int64)
    here = np.flatnonzero(slots_T != NO_SLOT)
    place_T4[here] = laid.place_V4[slots_T[here]]
    if marks is None:
        return place_T4
    each = around(marks)
    views, items = place_T4[here, 0], laid.items()[slots_T[here]]
    first, opens, closes = (np.diff(edges, prepend=-1) != 0 for edges in (views, items, items[::-1]))
    for at, view in zip(here[first], views[first], strict=True):
        place_T4[at - each.leading : at, 0] = view
    for at, view in zip(here[opens], views[opens], strict=True):
        place_T4[at - each.leading - each.opening : at - each.leading, 0] = view
    if each.row:
        widths = np.array([grid.w for grid in laid.grids])[views]
        for at in here[place_T4[here, 3] == widths - 1]:
            place_T4[at + 1 : at + 1 + each.row] = (*place_T4[at, :3], -1)
    last = (np.diff(views[::-1], prepend=-1) != 0)[::-1]
    for at, view in zip(here[last], views[last], strict=True):
        place_T4[at + 1 : at + 1 + each.trailing, 0] = view
    for at, view in zip(here[closes[::-1]], views[closes[::-1]], strict=True):
        place_T4[at + 1 : at + 1 + each.closing] = (view, -1, -1, -1)
    return place_T4
