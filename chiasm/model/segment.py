"""A picture and what points at a part of it, to masks."""

from __future__ import annotations

from torch import Tensor, nn

from chiasm import spec as specs
from chiasm.heads.masks import Outlined, TwoWayDecoder
from chiasm.heads.prompts import PromptEncoder, Prompts
from chiasm.model.batch import Sight
from chiasm.vision.windowed import WindowedTransformer


class Segment(nn.Module):
    """Outlines what is pointed at. A picture is seen once, however often it is asked about."""

    def __init__(self, spec: specs.Segment) -> None:
        super().__init__()
        self.spec = spec
        self.vision = WindowedTransformer(spec.encoder)
        self.prompts = PromptEncoder(spec.masks)
        self.masks = TwoWayDecoder(spec.masks)

    def see(self, sight: Sight) -> Tensor:
        """Features of pictures as maps, [B, E, H, W]."""
        return self.vision.maps(sight.patches_PK, sight.grids)

    def forward(self, maps_BEHW: Tensor, prompts: Prompts, wanted: specs.Masks = "several") -> Outlined:
        """Masks of every region that the prompts point at."""
        side = self.spec.encoder.side * self.spec.encoder.patch
        return self.outline(maps_BEHW + self.prompts.dense(prompts), self.prompts.sparse(prompts, side), wanted)

    def outline(self, maps_BEHW: Tensor, sparse_BRGE: Tensor | None, wanted: specs.Masks) -> Outlined:
        """The same from prompts that are vectors already."""
        outlined: Outlined = self.masks(maps_BEHW, sparse_BRGE, self.prompts.places(), wanted)
        return outlined
