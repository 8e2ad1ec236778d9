"""No encoder at all: what a connector is given are pixels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from chiasm.place import Grid, Laid, raster
from chiasm.spec import Flat


class FlatPatches(nn.Module):
    """Packed patches go out as they came in, [P, K]."""

    def __init__(self, spec: Flat) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, patches_PK: Tensor, grids: Sequence[Grid]) -> Tensor:
        return patches_PK

    def laid(self, grids: Sequence[Grid]) -> Laid:
        """The places of what `forward` returns."""
        return raster(grids)
