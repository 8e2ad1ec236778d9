"""Two encoders side by side: pictures go through one, clips through the other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from chiasm.place import Grid, Laid, encoded
from chiasm.spec import ByKind
from chiasm.vision.vit import VisionTransformer


class TwoTowers(nn.Module):
    """Packed patches of pictures and clips, in any order, to features in the order that `place.encoded` gives."""

    def __init__(self, spec: ByKind) -> None:
        super().__init__()
        self.spec = spec
        self.pictures, self.clips = VisionTransformer(spec.pictures), VisionTransformer(spec.clips)

    def forward(self, patches_PK: Tensor, grids: Sequence[Grid]) -> Tensor:
        parts = patches_PK.split([grid.cells for grid in grids])
        found: dict[int, Tensor] = {}
        for tower, moves in ((self.pictures, False), (self.clips, True)):
            mine = [number for number, grid in enumerate(grids) if grid.moves is moves]
            if mine:
                shown = [grids[number] for number in mine]
                features_PE = tower(torch.cat([parts[number] for number in mine]), shown)
                lengths = [len(encoded(tower.spec, [grid])) for grid in shown]
                found |= dict(zip(mine, features_PE.split(lengths), strict=True))
        return torch.cat([found[number] for number in range(len(grids))])

    def laid(self, grids: Sequence[Grid]) -> Laid:
        """The places of what `forward` returns."""
        return encoded(self.spec, grids)
