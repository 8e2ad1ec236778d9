"""Low-rank adaptation (arXiv:2106.09685) of a decoder: products over the same input joined, one adapter for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.errors import UserError
from chiasm.language.decoder import CausalDecoder
from chiasm.layers.attention import Attention
from chiasm.layers.linear import joined
from chiasm.layers.mlp import GatedMLP, JoinedGate
from chiasm.spec import Attends

JOINT = {"qkv": ("q", "k", "v"), "gated.both": ("gate", "up")}
"""Adapters that stand beside several layers of the checkpoint at once, and those layers."""


class _Adapted(torch.autograd.Function):
    """x S^T with S = W + scale B A formed once, and gradients for x, A and B alone.

    Autograd would compute the gradient of S, a product as wide as the forward one, only to project it onto A and B: without
    it a step of training the default model took 2.19 s instead of 2.53 on one core.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
        summed = torch.addmm(weight, b, a, alpha=scale)
        ctx.save_for_backward(x, summed, a, b)
        ctx.scale = scale
        return F.linear(x, summed)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, summed, a, b = ctx.saved_tensors
        out, rows = grads[0].flatten(0, -2), x.flatten(0, -2)
        grad_a = ((out @ b).T @ rows) * ctx.scale
        grad_b = (out.T @ (rows @ a.T)) * ctx.scale
        return (out @ summed).view(x.shape), None, grad_a, grad_b, None


class LoRALinear(nn.Module):
    """x (W + (alpha / rank) B A)^T, the sum formed anew at each step: on a CPU quicker than thin products beside the wide
    one."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.register_buffer("weight", base.weight.detach(), persistent=False)
        self.register_buffer("bias", None if base.bias is None else base.bias.detach(), persistent=False)
        self.scale = alpha / rank
        self.a = nn.Parameter((torch.randn(rank, base.in_features) / base.in_features**0.5).to(self.weight.device))
        self.b = nn.Parameter(self.weight.new_zeros(base.out_features, rank, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = _Adapted.apply(x, self.weight, self.a, self.b, self.scale)
        return y if self.bias is None else y + self.bias


def adapt(decoder: CausalDecoder, rank: int, alpha: float) -> None:
    """Puts adapters beside all linear layers of a decoder's blocks, in place; the layers themselves are frozen.

    Raises `UserError` for blocks with latent attention or experts, whose layers have other shapes than one a block, and for
    blocks of several kinds.
    """
    if decoder.spec.block.latent is not None or decoder.spec.block.experts is not None:
        raise UserError("adapters beside latent attention or experts are not supported: choose a decoder without them")
    if decoder.spec.block.mixer != Attends() or decoder.spec.turns:
        raise UserError("adapters beside gated attention or delta rules are not supported: choose a decoder without them")
    for module in decoder.modules():
        match module:
            case Attention(q=nn.Linear() as q, k=nn.Linear() as k, v=nn.Linear() as v, out=nn.Linear() as out):
                module.qkv = LoRALinear(joined(q, k, v), rank, alpha)
                module.out = LoRALinear(out, rank, alpha)
                module.q = module.k = module.v = None
            case GatedMLP(gate=nn.Linear() as gate, up=nn.Linear() as up, down=nn.Linear() as down):
                module.gated = JoinedGate(LoRALinear(joined(gate, up), rank, alpha), module.act)
                module.down = LoRALinear(down, rank, alpha)
                module.gate = module.up = None


def restore(decoder: CausalDecoder, tensors: Mapping[str, Tensor]) -> None:
    """Gives adapters that stand beside a decoder's layers the numbers that `stored` kept of others like them."""
    for path, module in decoder.named_modules():
        if isinstance(module, LoRALinear):
            names = [path.removesuffix(joint) + part for joint in JOINT if path.endswith(joint) for part in JOINT[joint]] or [
                path
            ]
            module.a.data.copy_(tensors[f"{names[0]}.a"])
            module.b.data.copy_(torch.cat([tensors[f"{name}.b"] for name in names]))


def parameters(decoder: CausalDecoder) -> Iterator[tuple[str, nn.Parameter]]:
    """The adapters' own parameters, by name."""
    for path, module in decoder.named_modules():
        if isinstance(module, LoRALinear):
            yield f"{path}.a", module.a
            yield f"{path}.b", module.b


def stored(decoder: CausalDecoder) -> Iterator[tuple[str, Tensor]]:
    """The adapters as they are kept: one for each linear layer in the checkpoint's own grain, joint ones taken apart."""
    spec = decoder.spec.block
    heads, shared = spec.heads * spec.head_width, spec.kv_heads * spec.head_width
    sizes = {"qkv": (heads, shared, shared), "gated.both": (spec.mlp_width, spec.mlp_width)}
    for path, module in decoder.named_modules():
        if not isinstance(module, LoRALinear):
            continue
        joint = next((name for name in JOINT if path.endswith(name)), None)
        if joint is None:
            yield f"{path}.a", module.a
            yield f"{path}.b", module.b
            continue
        for name, b in zip(JOINT[joint], module.b.split(sizes[joint]), strict=True):
            yield f"{path.removesuffix(joint)}{name}.a", module.a
            yield f"{path.removesuffix(joint)}{name}.b", b
