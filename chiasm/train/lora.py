"""Low-rank adaptation (arXiv:2106.09685): a frozen linear layer plus (alpha / rank) B A, trained apart and merged exactly."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LoRALinear(nn.Module):
    """x W + (alpha / rank) x A B. The base keeps its dtype and takes no gradient; A and B are float32 masters."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.scale = alpha / rank
        self.a = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        low = F.linear(x, self.a.to(x.dtype))
        return self.base(x) + F.linear(low, (self.b * self.scale).to(x.dtype))

    def delta(self) -> Tensor:
        """What merging adds to the weight, in float32."""
        return self.scale * self.b @ self.a


def adapt(model: nn.Module, rank: int, alpha: float) -> None:
    """Wraps every linear layer below `model` in place."""
    for path, layer in [(path, m) for path, m in model.named_modules() if isinstance(m, nn.Linear)]:
        parent, _, last = path.rpartition(".")
        setattr(model.get_submodule(parent), last, LoRALinear(layer, rank, alpha))


def adapters(model: nn.Module) -> Iterator[tuple[str, LoRALinear]]:
    for path, module in model.named_modules():
        if isinstance(module, LoRALinear):
            yield path, module
