"""A connector by itself."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from chiasm import spec as specs
from chiasm.connect.steps import Connector, Visual
from chiasm.place import Grid, raster


class Connect(nn.Module):
    """Features that an encoder elsewhere made, to visual tokens."""

    def __init__(self, spec: specs.Connect) -> None:
        super().__init__()
        self.spec = spec
        self.connect = Connector(spec.steps, spec.width)

    def forward(self, features_PE: Tensor, grids: Sequence[Grid]) -> Visual:
        """Features of all cells of the grids, in raster order."""
        visual: Visual = self.connect(features_PE, raster(grids), [(grid.w, grid.h) for grid in grids])
        return visual
