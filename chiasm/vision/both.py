"""Two resolutions of every picture, each through an encoder of its own (DeepSeek-VL, arXiv:2403.05525)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.place import Grid, Laid, encoded
from chiasm.spec import Both, Coarsened
from chiasm.vision.vit import VisionTransformer
from chiasm.vision.windowed import Neck, WindowedTransformer


class CoarsenedTower(nn.Module):
    """Packed patches of whole squares to features of a coarser grid, [P, E]."""

    def __init__(self, spec: Coarsened) -> None:
        super().__init__()
        self.spec, width = spec, spec.tower.neck
        self.tower = WindowedTransformer(spec.tower)
        self.neck = Neck(spec.tower.block.width, width)
        self.halve1 = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=False)
        self.halve2 = nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1, bias=False)
        self.share = nn.Parameter(torch.zeros(1))

    def forward(self, patches_PK: Tensor, grids: Sequence[Grid]) -> Tensor:
        beside = last = patches_PK
        for number, state_BHWD in enumerate(self.tower.states(patches_PK, grids)):
            last = state_BHWD
            beside = state_BHWD if number == self.spec.beside else beside
        maps = self._coarser(self.tower.neck(last)) + self._coarser(self.neck(beside)) * self.share
        features_PE: Tensor = maps.flatten(2).transpose(1, 2).flatten(0, 1)
        return features_PE

    def _coarser(self, maps_BEHW: Tensor) -> Tensor:
        fine = F.interpolate(maps_BEHW, (4 * self.spec.side, 4 * self.spec.side), mode="bilinear", align_corners=False)
        out: Tensor = self.halve2(self.halve1(fine))
        return out


class LowAndHigh(nn.Module):
    """Packed patches of a low and a high view of each picture, in turns, to features of the low view's cells."""

    def __init__(self, spec: Both) -> None:
        super().__init__()
        self.spec = spec
        self.low, self.high = VisionTransformer(spec.low), CoarsenedTower(spec.high)

    def forward(self, patches_PK: Tensor, grids: Sequence[Grid]) -> Tensor:
        parts = patches_PK.split([grid.cells for grid in grids])
        low_PK, high_PK = torch.cat(parts[::2]), torch.cat(parts[1::2])
        numbers = [3 * patch**2 for patch in (self.spec.low.patch, self.spec.high.tower.patch)]
        low_PE, high_PE = self.low(low_PK[:, : numbers[0]], grids[::2]), self.high(high_PK[:, : numbers[1]], grids[1::2])
        return torch.cat([high_PE, low_PE], -1)

    def laid(self, grids: Sequence[Grid]) -> Laid:
        """The places of what `forward` returns."""
        return encoded(self.spec, grids)
