"""Several questions of one picture: branches of a row that share what they read, and trees of them side by side in few rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chiasm.errors import BadPrompt
from chiasm.place import Ints
from chiasm.prompt.row import NO_SLOT, Row
from chiasm.sequence.masks import TREE


def joined(rows: Sequence[Row], start: int) -> Row:
    """One row of a prefix, which is what `rows` share up to their last visual token, and a branch for the rest of each; the
    visual tokens are numbered from `start`. Raises `BadPrompt` where the rows do not share it."""
    shared = int(np.flatnonzero(rows[0].slots_T != NO_SLOT).max()) + 1
    if any(not np.array_equal(row.ids_T[:shared], rows[0].ids_T[:shared]) for row in rows):
        raise BadPrompt("branches of one row must be alike up to their last visual token")

    def along(name: str, axis: int = -1) -> Ints:
        parts = [vars(row)[name][..., 0 if number == 0 else shared :] for number, row in enumerate(rows)]
        return np.concatenate(parts, axis)

    lengths = [shared, *(len(row) - shared for row in rows)]
    slots_T = along("slots_T")
    return Row(
        along("ids_T"),
        np.where(slots_T == NO_SLOT, NO_SLOT, slots_T + start),
        along("where_AT"),
        max(row.next for row in rows),
        along("supervise_T"),
        np.repeat(np.arange(len(lengths)), lengths),
    )


def abreast(trees: Sequence[Row], room: int) -> list[Row]:
    """Trees in rows of up to `room` tokens each, of the width that leaves the fewest pads; where no two fit, a row for each."""
    longest = max(map(len, trees))
    if room <= longest:
        return list(trees)
    tried = [_first_fit(trees, width) for width in range(longest, room + 1, 4)]
    return [_in_line(row) for row in min(tried, key=lambda rows: len(rows) * max(sum(map(len, row)) for row in rows))]


def _first_fit(trees: Sequence[Row], width: int) -> list[list[Row]]:
    """The longest first, each into the first row that has room for it."""
    rows: list[list[Row]] = []
    for tree in sorted(trees, key=len, reverse=True):
        row = next((row for row in rows if sum(map(len, row)) + len(tree) <= width), None)
        if row is None:
            rows.append([tree])
        else:
            row.append(tree)
    return rows


def _in_line(trees: Sequence[Row]) -> Row:
    def along(name: str) -> Ints:
        return np.concatenate([vars(tree)[name] for tree in trees], -1)

    segments = np.concatenate([tree.segment_T + number * TREE for number, tree in enumerate(trees)])
    return Row(along("ids_T"), along("slots_T"), along("where_AT"), trees[-1].next, along("supervise_T"), segments)
