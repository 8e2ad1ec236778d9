"""LayerNorm and RMSNorm."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.spec import Norm


class RMSNorm(nn.Module):
    """x / rms(x) * weight over the last axis, the mean of squares taken in float32 (arXiv:1910.07467)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


def norm(spec: Norm, width: int) -> nn.Module:
    """The norm that a spec describes, over `width` numbers."""
    match spec.kind:
        case "layer":
            return nn.LayerNorm(width, spec.eps)
        case "rms":
            return RMSNorm(width, spec.eps)
