"""Learned queries that read a view once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chiasm.layers.attend import attend
from chiasm.spec import Asker


class AskerStep(nn.Module):
    """Every view's tokens become as many as there are queries; each query sees the tokens of its view and all queries."""

    def __init__(self, spec: Asker) -> None:
        super().__init__()
        self.heads = spec.heads
        self.queries = nn.Parameter(torch.ones(spec.queries, spec.width))
        self.q, self.k, self.v, self.out = (nn.Linear(spec.width, spec.width) for _ in range(4))

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
        index_BT = index_VM[:: len(self.queries)]
        asks_BGD = self.queries.expand(len(index_BT), -1, -1)
        both_BTD = torch.cat([x_VD[index_BT.clamp(min=0)], asks_BGD], 1)
        seen_BT = torch.cat([index_BT >= 0, torch.ones_like(asks_BGD[..., 0], dtype=torch.bool)], 1)
        parts = (self.q(asks_BGD), self.k(both_BTD), self.v(both_BTD))
        q_BNGF, k_BNTF, v_BNTF = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed_BNGF = attend(q_BNGF, k_BNTF, v_BNTF, seen_BT[:, None, None].expand(-1, 1, len(self.queries), -1))
        out_VD: Tensor = self.out(mixed_BNGF.transpose(1, 2).flatten(2)).flatten(0, 1)
        return out_VD
