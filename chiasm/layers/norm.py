"""LayerNorm and RMSNorm."""

from __future__ import annotations

import math
from ctypes import CDLL

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.layers import cpu
from chiasm.layers.linear import Preparable, packs
from chiasm.spec import Norm


class RMSNorm(Preparable):
    """x / rms(x) * weight over the last axis, the mean of squares taken in float32 (arXiv:1910.07467)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))
        self.by_rows = False
        self.run: CDLL | None = None

    def prepare(self) -> None:
        self.by_rows = self.weight.device.type == "cpu"
        self.run = cpu.program() if packs(self.weight) else None

    def forward(self, x: Tensor) -> Tensor:
        if self.run is not None and x.dtype == torch.bfloat16:
            return cpu.rms_norm(self.run, x, self.weight, self.eps)
        if self.by_rows:
            return rms_by_rows(x, self.weight, self.eps)
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


def rms_by_rows(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """The same numbers in half of the time on a CPU, where torch has no kernel for this norm; without gradients.

    An evaluated batch norm divides each channel by a given deviation in float32 and rounds once: the rows are its
    channels, the means of squares its variances. A single row is divided by one number.
    """
    width = x.shape[-1]
    if x.numel() == width:
        size = torch.linalg.vector_norm(x, dtype=torch.float32).item()
        return x.mul(1 / math.sqrt(size * size / width + eps)).mul_(weight)
    rows = x.reshape(1, -1, width)
    square = torch.linalg.vector_norm(rows[0], dim=-1, dtype=torch.float32).square_().div_(width)
    zero = torch.zeros_like(square)
    return torch.batch_norm(rows, None, None, zero, square, False, 0.0, eps, False).mul_(weight).view(x.shape)


class FromOneRMSNorm(Preparable):
    """x / rms(x) * (1 + weight) over the last axis, all of it in float32, rounded once (arXiv:2403.08295)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.zeros(width))
        self.by: Tensor | None = None

    def prepare(self) -> None:
        self.by = 1 + self.weight.detach().float()

    def forward(self, x: Tensor) -> Tensor:
        by = 1 + self.weight.float() if self.by is None else self.by
        return F.rms_norm(x.float(), by.shape, by, self.eps).to(x.dtype)


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of maps [B, C, H, W]: free of the batch, hence the same in training and in use."""

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        return super().forward(maps_BCHW.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class HeadsNorm(nn.Module):
    """LayerNorm of each head by itself, [..., heads, F], with weights of its own (Chameleon, arXiv:2405.09818)."""

    def __init__(self, heads: int, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight, self.bias = nn.Parameter(torch.ones(heads, width)), nn.Parameter(torch.zeros(heads, width))

    def forward(self, x_NF: Tensor) -> Tensor:
        return F.layer_norm(x_NF, x_NF.shape[-1:], eps=self.eps) * self.weight + self.bias


def norm(spec: Norm, width: int) -> nn.Module:
    """The norm that a spec describes, over `width` numbers."""
    match spec.kind, spec.weight:
        case "layer", "plain":
            return nn.LayerNorm(width, spec.eps)
        case "rms", "plain":
            return RMSNorm(width, spec.eps)
        case "rms", "from_one":
            return FromOneRMSNorm(width, spec.eps)
    raise ValueError(f"no norm is {spec}")
