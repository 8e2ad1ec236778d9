"""The transformer blocks that encoders, text towers and decoders share; they differ in where their norms stand."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chiasm.layers.across import AcrossNormAttention
from chiasm.layers.attend import Mask
from chiasm.layers.attention import Attention, Slot, Wanted
from chiasm.layers.delta import DeltaNet
from chiasm.layers.experts import MixedMLP
from chiasm.layers.gated import GatedAttention
from chiasm.layers.latent import LatentAttention
from chiasm.layers.lines import Lines
from chiasm.layers.mlp import mlp
from chiasm.layers.norm import norm
from chiasm.layers.rope import Turn
from chiasm.spec import Attends, Block, Delta


class LayerScale(nn.Module):
    """x times a learned number per channel (arXiv:2103.17239)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class Gate(nn.Module):
    """x times tanh of a learned number, or of one for each channel (Flamingo, arXiv:2204.14198)."""

    def __init__(self, width: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight.tanh()


class TransformerBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); with `wanted="last"` of the last position alone."""

    def __init__(self, spec: Block) -> None:
        super().__init__()
        self.norm1 = norm(spec.norm, spec.width)
        self.attention = attention(spec)
        self.norm2 = norm(spec.norm, spec.width)
        self.mlp = branch(spec)
        self.scale1, self.scale2 = scale(spec), scale(spec)

    def forward(
        self, x_BTD: Tensor, mask: Mask | Lines, by: Turn | None = None, slot: Slot | None = None, wanted: Wanted = "all"
    ) -> Tensor:
        kept_BTD = x_BTD if wanted == "all" else x_BTD[:, -1:]
        if self.scale1 is None or self.scale2 is None:
            x_BTD = self.attention(self.norm1(x_BTD), mask, by, slot, wanted, kept_BTD)
            out_BTD: Tensor = self.mlp(self.norm2(x_BTD), x_BTD)
            return out_BTD
        x_BTD = kept_BTD + self.scale1(self.attention(self.norm1(x_BTD), mask, by, slot, wanted))
        return x_BTD + self.scale2(self.mlp(self.norm2(x_BTD)))


class SandwichBlock(nn.Module):
    """x + norm(attention(norm(x))), then x + norm(mlp(norm(x))) (Gemma 2, arXiv:2408.00118)."""

    def __init__(self, spec: Block) -> None:
        super().__init__()
        self.norm1, self.norm1_after, self.norm2, self.norm2_after = (norm(spec.norm, spec.width) for _ in range(4))
        self.attention = attention(spec)
        self.mlp = branch(spec)

    def forward(
        self, x_BTD: Tensor, mask: Mask | Lines, by: Turn | None = None, slot: Slot | None = None, wanted: Wanted = "all"
    ) -> Tensor:
        mixed_BTD = self.norm1_after(self.attention(self.norm1(x_BTD), mask, by, slot, wanted))
        x_BTD = (x_BTD if wanted == "all" else x_BTD[:, -1:]) + mixed_BTD
        return x_BTD + self.norm2_after(self.mlp(self.norm2(x_BTD)))


class _TwoNormsBlock(nn.Module):
    """Attention, an MLP and two norms; where the norms stand is said below."""

    def __init__(self, spec: Block) -> None:
        super().__init__()
        self.norm1, self.norm2 = (norm(spec.norm, spec.width) for _ in range(2))
        self.attention = attention(spec)
        self.mlp = branch(spec)


class PostNormBlock(_TwoNormsBlock):
    """norm(x + attention(x)), then norm(x + mlp(x)), as the first transformers had it (arXiv:1706.03762)."""

    def forward(
        self, x_BTD: Tensor, mask: Mask | Lines, by: Turn | None = None, slot: Slot | None = None, wanted: Wanted = "all"
    ) -> Tensor:
        mixed_BTD = self.attention(x_BTD, mask, by, slot, wanted)
        x_BTD = self.norm1((x_BTD if wanted == "all" else x_BTD[:, -1:]) + mixed_BTD)
        out_BTD: Tensor = self.norm2(x_BTD + self.mlp(x_BTD))
        return out_BTD


class InsideNormBlock(_TwoNormsBlock):
    """x + norm(attention(x)), then x + norm(mlp(x)), as EVA2-CLIP-E has it."""

    def forward(
        self, x_BTD: Tensor, mask: Mask | Lines, by: Turn | None = None, slot: Slot | None = None, wanted: Wanted = "all"
    ) -> Tensor:
        mixed_BTD = self.norm1(self.attention(x_BTD, mask, by, slot, wanted))
        x_BTD = (x_BTD if wanted == "all" else x_BTD[:, -1:]) + mixed_BTD
        out_BTD: Tensor = x_BTD + self.norm2(self.mlp(x_BTD))
        return out_BTD


class BesideBlock(_TwoNormsBlock):
    """x + attention(norm(x)) + mlp(norm(x)), each with a norm of its own (GPT-J's form, as GPT-NeoX has it)."""

    def forward(
        self, x_BTD: Tensor, mask: Mask | Lines, by: Turn | None = None, slot: Slot | None = None, wanted: Wanted = "all"
    ) -> Tensor:
        mixed_BTD = self.attention(self.norm1(x_BTD), mask, by, slot, wanted)
        kept_BTD = x_BTD if wanted == "all" else x_BTD[:, -1:]
        out_BTD: Tensor = kept_BTD + mixed_BTD + self.mlp(self.norm2(kept_BTD))
        return out_BTD


def transformer_block(spec: Block) -> nn.Module:
    """The block that a spec describes."""
    match spec.norms:
        case "before":
            return TransformerBlock(spec)
        case "both":
            return SandwichBlock(spec)
        case "after":
            return PostNormBlock(spec)
        case "inside":
            return InsideNormBlock(spec)
        case "beside":
            return BesideBlock(spec)


def scale(spec: Block) -> nn.Module | None:
    """What a block's branch is scaled by before it is added, if by anything."""
    if spec.branch_gate == "tanh":
        return Gate()
    return LayerScale(spec.width) if spec.layer_scale else None


def attention(spec: Block) -> nn.Module:
    """A block's attention, or what stands in its place."""
    match spec.mixer:
        case Delta():
            return DeltaNet(spec, spec.mixer)
        case Attends(gate="sigmoid"):
            return GatedAttention(spec)
        case Attends():
            if spec.latent is not None:
                return LatentAttention(spec, spec.latent)
            return Attention(spec) if spec.qk_across is None else AcrossNormAttention(spec, spec.qk_across)


def branch(spec: Block) -> nn.Module:
    """A block's MLP, or the experts that stand in its place."""
    return mlp(spec) if spec.experts is None else MixedMLP(spec, spec.experts)
