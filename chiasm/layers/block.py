"""The pre-norm transformer block that encoders, text towers and decoders share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chiasm.layers.across import AcrossNormAttention
from chiasm.layers.attention import Attention, Mask, Slot, Wanted
from chiasm.layers.mlp import mlp
from chiasm.layers.norm import norm
from chiasm.layers.rope import Turn
from chiasm.spec import Block


class LayerScale(nn.Module):
    """x times a learned number per channel (arXiv:2103.17239)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class TransformerBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); with `wanted="last"` of the last position alone."""

    def __init__(self, spec: Block) -> None:
        super().__init__()
        self.norm1 = norm(spec.norm, spec.width)
        self.attention = Attention(spec) if spec.qk_across is None else AcrossNormAttention(spec, spec.qk_across)
        self.norm2 = norm(spec.norm, spec.width)
        self.mlp = mlp(spec)
        self.scale1 = LayerScale(spec.width) if spec.layer_scale else None
        self.scale2 = LayerScale(spec.width) if spec.layer_scale else None

    def forward(
        self, x_BTD: Tensor, mask: Mask, by: Turn | None = None, slot: Slot | None = None, wanted: Wanted = "all"
    ) -> Tensor:
        mixed_BTD = self.attention(self.norm1(x_BTD), mask, by, slot, wanted)
        mixed_BTD = mixed_BTD if self.scale1 is None else self.scale1(mixed_BTD)
        x_BTD = (x_BTD if wanted == "all" else x_BTD[:, -1:]) + mixed_BTD
        made_BTD = self.mlp(self.norm2(x_BTD))
        return x_BTD + (made_BTD if self.scale2 is None else self.scale2(made_BTD))
