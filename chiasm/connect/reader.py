"""One reading of a view by learned queries, keys standing at their places (Qwen-VL, arXiv:2308.12966)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from chiasm.layers.attend import Mask, attend
from chiasm.layers.norm import norm
from chiasm.place import Ints, Laid
from chiasm.spec import Reader
from chiasm.vision.position import resized


class ReaderStep(nn.Module):
    """Every view's tokens become as many as there are queries; views of fewer tokens than the longest one see no more of it."""

    def __init__(self, spec: Reader, width: int) -> None:
        super().__init__()
        self.spec = spec
        self.queries = nn.Parameter(torch.zeros(spec.queries, spec.width))
        self.enter = nn.Linear(width, spec.width, bias=False) if width != spec.width else nn.Identity()
        self.query_norm, self.norm, self.out_norm = (norm(spec.norm, spec.width) for _ in range(3))
        self.q, self.k, self.v, self.out = (nn.Linear(spec.width, spec.width) for _ in range(4))
        self.project = nn.Linear(spec.width, spec.width, bias=False)
        if spec.places == "table":
            # Sines once, and trained no more: a constant of the checkpoint.
            self.places = nn.Parameter(torch.zeros(spec.queries, spec.width), requires_grad=False)

    def forward(self, x_VD: Tensor, index_VM: Tensor, laid: Laid) -> Tensor:
        queries = len(self.queries)
        index_BT = index_VM[::queries]
        there_BT = index_BT >= 0
        states_VD = self.norm(self.enter(x_VD))
        keys_VD = states_VD + self._placed(laid).to(states_VD)
        asks_GD = self.query_norm(self.queries)
        if self.spec.places == "table":
            asks_GD = asks_GD + self.places
        q_BNGF = self._heads(self.q(asks_GD).expand(len(index_BT), -1, -1))
        k_BNTF, v_BNTF = (self._heads(part[index_BT.clamp(min=0)]) for part in (self.k(keys_VD), self.v(states_VD)))
        mask: Mask = "full" if bool(there_BT.all()) else there_BT[:, None, None].expand(-1, 1, queries, -1)
        mixed_BNGF = attend(q_BNGF, k_BNTF, v_BNTF, mask)
        read_BGD = self.out(mixed_BNGF.transpose(1, 2).flatten(2))
        out_VD: Tensor = self.project(self.out_norm(read_BGD)).flatten(0, 1)
        return out_VD

    def _heads(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.unflatten(-1, (self.spec.heads, -1)).transpose(1, 2)

    def _placed(self, laid: Laid) -> Tensor:
        """What is added to the key of each token that is read, [V, width]."""
        match self.spec.places:
            case "table":
                side = round(len(self.places) ** 0.5)
                return torch.cat([resized(self.places, side, g.h, g.w).repeat(g.t, 1) for g in laid.grids])
            case "cells":
                return torch.from_numpy(sines(laid.place_V4[:, 2:], self.spec.width))


def sines(where_V2: Ints, width: int) -> np.ndarray:
    """Sines and cosines of cells at (row, column), [V, width] in float32: the first half of the numbers tells the column."""
    quarter = width // 4
    rates = np.arange(quarter, dtype=np.float32)
    rates /= width / 4
    rates = 1.0 / 10000**rates
    column, row = (np.einsum("v,d->vd", where_V2[:, axis].astype(np.float32), rates) for axis in (1, 0))
    return np.concatenate([np.sin(column), np.cos(column), np.sin(row), np.cos(row)], 1).astype(np.float32)
