"""Plans of references whose pictures stand outside of the sequence: their places, and who sees which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from chiasm.errors import BadCheckpoint
from chiasm.geometry import Size
from chiasm.place import Ints, canvases
from chiasm.prompt.plan import Plan
from chiasm.reference.given import Given
from chiasm.reference.patches import blank
from chiasm.reference.shown import Shown
from chiasm.spec import Causal, Cross, Sight, override

MASK = "image_attention_mask"
NONE = -1
"""A placeholder that no row has: the mask says what it would."""


def crossed(
    spec: Causal, sight: Sight, fusion: Cross, given: Given, rows: Sequence[Sequence[int]], shown: Shown
) -> tuple[Plan, Tensor]:
    """The plan and the patches of all places for pictures. Where a mask of pictures is given, it says who sees which."""
    if MASK not in given:
        shown = filled_up(sight, [list(row).count(fusion.image) for row in rows], shown)
        return Plan.from_ids(spec, rows, shown.items, places=len(shown.items) // len(rows)), shown.patches_PK
    seen_BTI = given[MASK].bool()
    shown = filled_up(sight, seen_BTI.any(1).sum(-1).tolist(), shown)
    places = len(shown.items) // len(rows)
    plan = Plan.from_ids(override(spec, {"sight.fusion.image": NONE}), rows, shown.items, places=places)
    masks = (mask[valid] for mask, valid in zip(seen_BTI, given.valid_BT, strict=True))
    sees = [_ranges(mask, number * places, given) for number, mask in enumerate(masks)]
    planned = [replace(row, sees_2T=sees_2T) for row, sees_2T in zip(plan.rows, sees, strict=True)]
    return replace(plan, rows=tuple(planned)), shown.patches_PK


def _ranges(seen_TI: Tensor, start: int, given: Given) -> Ints:
    """The first and the next but last item that each token sees, items being counted from `start`."""
    count_T, first_T = seen_TI.sum(-1), seen_TI.int().argmax(-1)
    last_T = seen_TI.shape[1] - seen_TI.flip(-1).int().argmax(-1)
    if bool((count_T != torch.where(count_T > 0, last_T - first_T, 0)).any()):
        raise BadCheckpoint(f"{given.path}: {MASK} shows a token pictures that do not follow one another, which is not done")
    sees_2T = torch.stack([first_T, first_T + count_T]) + start
    ranges: Ints = sees_2T.masked_fill(count_T == 0, 0).numpy().astype(np.int64)
    return ranges


def filled_up(sight: Sight, counts: Sequence[int], shown: Shown) -> Shown:
    """As many places for pictures in each row as in any, as the references have them; those without a picture are zeros.
    Places that are given in full are kept."""
    most = max(counts, default=0)
    if len(shown.items) > sum(counts):
        return shown
    cells = [sum(grid.cells for grid in grids) for grids in canvases(shown.grids)]
    pictures = iter(zip(shown.items, shown.patches_PK.split(cells), strict=True))
    empty = blank(shown.views, sight, Size(1, 1))
    zeros_PK = shown.patches_PK.new_zeros(empty.grid.cells, shown.patches_PK.shape[1])
    filled = [next(pictures) if place < count else (empty, zeros_PK) for count in counts for place in range(most)]
    return replace(shown, items=tuple(item for item, _ in filled), patches_PK=torch.cat([patches for _, patches in filled]))
