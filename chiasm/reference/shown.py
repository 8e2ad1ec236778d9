"""What an encoder is shown of a reference folder: its raw pictures or, where it has none, the tensors of a processor.

A proof from tensors says nothing about preprocessing, so raw pictures are used wherever they are and the tensors beside
them are never read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from chiasm.place import Grid
from chiasm.prompt.items import Item, edges
from chiasm.reference.clips import clips_of
from chiasm.reference.given import Given
from chiasm.reference.patches import grids_of
from chiasm.reference.pictures import pictures_of
from chiasm.spec import Looks, Step, Views


@dataclass(frozen=True)
class Shown:
    """What the encoder is shown: items by size, the grids and patches of all of them, and the views that made them, which
    are the given tensors' own where there are no raw pictures."""

    views: Views
    items: tuple[Item, ...]
    grids: tuple[Grid, ...]
    patches_PK: Tensor

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Upright (width, height) of each item; a clip's in cells."""
        return tuple(map(edges, self.items))


def shown_of(given: Given, looks: Looks, connector: Sequence[Step] = ()) -> Shown | None:
    """Every picture, then every clip; none where the folder has neither. `connector` says how patches that are given
    flat were ordered."""
    found = (pictures_of(given, looks, connector), clips_of(given, looks, connector))
    parts = [part for part in found if part is not None]
    if not parts:
        return None
    items = tuple(chain.from_iterable(part.items for part in parts))
    used = parts[0].views
    grids = (grid for number, item in enumerate(items) for grid in grids_of(used, looks, item, number))
    return Shown(used, items, tuple(grids), torch.cat([part.patches_PK for part in parts]))
