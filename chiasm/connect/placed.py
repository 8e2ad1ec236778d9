"""Learned vectors of rows, columns and steps of time, added to the tokens that stand there."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from chiasm.place import WHOLE, Laid
from chiasm.spec import Placed

AXES = {"steps": 1, "rows": 2, "columns": 3}
"""Where a place has each axis."""


class PlacedStep(nn.Module):
    """x + rows[y] + columns[x] + steps[t], the last of clips alone: one frame has no time, so that it is what a picture is."""

    def __init__(self, spec: Placed, width: int) -> None:
        super().__init__()
        sizes = {"steps": spec.steps, "rows": spec.rows, "columns": spec.columns}
        self.tables = nn.ParameterDict({name: nn.Parameter(torch.zeros(size, width)) for name, size in sizes.items() if size})

    def forward(self, x_VD: Tensor, laid: Laid) -> Tensor:
        moves_V = np.array([grid.t > 1 for grid in laid.grids], bool)[laid.place_V4[:, 0]]
        for name, table in self.tables.items():
            at_V = laid.place_V4[:, AXES[name]]
            known_V = (at_V != WHOLE) & (moves_V | (name != "steps"))
            known_V1 = torch.from_numpy(known_V).to(x_VD.device)[:, None]
            x_VD = x_VD + table[torch.from_numpy(np.where(known_V, at_V, 0)).to(x_VD.device)] * known_V1
        return x_VD
