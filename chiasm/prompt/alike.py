"""Several questions about one picture: rows that begin alike read their beginning once (a cache of keys and values goes on
from it as from any other past)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from chiasm.model import Alike, Batch
from chiasm.prompt.plan import Plan
from chiasm.prompt.row import NO_SLOT, Row, padded
from chiasm.spec import Causal, Splice, breaks


@dataclass(frozen=True)
class Beginnings:
    """A plan whose rows share beginnings: `begun` has each of these as a row, with the items `items` of the whole plan,
    `begun_B` says which of them each row has, and `rest` what follows in it."""

    whole: Plan
    begun: Plan
    items: tuple[int, ...]
    begun_B: tuple[int, ...]
    rest: tuple[Row, ...]

    def batch(self, patches_PK: Tensor | None) -> Batch:
        """The whole plan's tensors; the patches [P, K] are those of the beginnings' items alone."""
        alike = Alike(self.begun.batch(patches_PK), self.begun_B, padded(self.rest, self.whole.spec.axes))
        return replace(self.whole.batch(), alike=alike)


def beginnings(plan: Plan, same: Sequence[Hashable]) -> Beginnings | None:
    """What a plan's rows share, each up to its last visual token; none where nothing is shared, or where what stands there
    depends on what follows. Items of equal `same` are one picture."""
    if not _apart(plan):
        return None
    found: dict[tuple[Hashable, ...], int] = {}
    begun_B, firsts, rest = list[int](), list[Row](), list[Row]()
    owners = [_items(plan, row) for row in plan.rows]
    items = list[int]()
    for row, shown in zip(plan.rows, owners, strict=True):
        shared = int(np.flatnonzero(row.slots_T != NO_SLOT).max(initial=-1)) + 1
        if not 0 < shared < len(row):
            return None
        key = (row.ids_T[:shared].tobytes(), *(same[item] for item in shown))
        if key not in found:
            found[key] = len(firsts)
            firsts.append(_part(row, slice(0, shared)))
            items += shown
        begun_B.append(found[key])
        rest.append(_part(row, slice(shared, len(row))))
    if len(firsts) == len(plan.rows):
        return None
    begun = Plan.from_ids(plan.spec, [row.ids_T.tolist() for row in firsts], [plan.items[item] for item in items])
    return Beginnings(plan, begun, tuple(items), tuple(begun_B), tuple(rest))


def _apart(plan: Plan) -> bool:
    """Whether a row's visual tokens and their keys are the same whatever text follows them."""
    spec = plan.spec
    if not isinstance(spec, Causal) or spec.sight is None or spec.prompt == "full" or plan.spots:
        return False
    # A window counts places, and pads may come to stand between a beginning and its rest.
    steady = spec.decoder.window is None and not {"cached_is_uncached", "batch_is_single"} & breaks(spec).keys()
    return steady and isinstance(spec.sight.fusion, Splice) and all(row.hint_T is None for row in plan.rows)


def _items(plan: Plan, row: Row) -> list[int]:
    """The items whose visual tokens a row has, in its order."""
    slots = row.slots_T[row.slots_T != NO_SLOT]
    return list(dict.fromkeys(plan.laid.items()[slots].tolist()))


def _part(row: Row, part: slice) -> Row:
    """Some tokens of a row, where they stand in it."""
    return replace(
        row,
        ids_T=row.ids_T[part],
        slots_T=row.slots_T[part],
        where_AT=row.where_AT[:, part],
        supervise_T=row.supervise_T[part],
        segment_T=row.segment_T[part],
    )
