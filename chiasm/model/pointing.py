"""Regions that a text names: the states that name them, as prompts of a model that outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chiasm import spec as specs
from chiasm.connect.single import MLPStep
from chiasm.heads.masks import Outlined
from chiasm.model.batch import Batch, Sight
from chiasm.model.segment import Segment


@dataclass(frozen=True)
class Named:
    """The regions that a batch names, row by row: the `row` and the place `at` which each was written from, and its prompt."""

    row_R: Tensor
    at_R: Tensor
    prompt_RE: Tensor


class Pointer(nn.Module):
    """From states to prompts, and from prompts to masks (LISA, arXiv:2308.00692)."""

    def __init__(self, spec: specs.Pointing, width: int) -> None:
        super().__init__()
        self.spec = spec
        self.by = MLPStep(spec.by, width)
        self.outlines = Segment(spec.outlines)

    def named(self, hidden_BTD: Tensor, batch: Batch) -> Named:
        """What a text names: each mark by the state just before it."""
        marked_BT = (batch.ids_BT == self.spec.mark) & batch.valid_BT & (batch.slot_BT < 0)
        row_R, at_R = (marked_BT[:, 1:] & batch.valid_BT[:, :-1]).nonzero(as_tuple=True)
        return Named(row_R, at_R, self.by(hidden_BTD[row_R, at_R]))

    def see(self, sight: Sight) -> Tensor:
        """Features of pictures as maps, [B, E, H, W]."""
        return self.outlines.see(sight)

    def outline(self, maps_BEHW: Tensor, named: Named, picture_R: Sequence[int]) -> list[Outlined]:
        """One mask for each region, picture by picture; `picture_R` is the picture of each. A picture of which nothing is named
        has none."""
        of_R, dense = torch.tensor(picture_R, dtype=torch.int64), self.outlines.prompts.no_mask[:, None, None]
        outlined = []
        for number, maps_EHW in enumerate(maps_BEHW):
            prompts_1R1E = named.prompt_RE[of_R == number][None, :, None]
            outlined.append(self.outlines.outline((maps_EHW + dense)[None], prompts_1R1E, "one"))
        return outlined
