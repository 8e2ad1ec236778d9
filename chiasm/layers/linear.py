"""Linear layers in the form that inference runs fastest.

On a CPU with fast bf16 products, oneDNN reads a weight that was laid out for its kernels once in two thirds of the time
that the plain layout takes, at one row as at many, and applies an activation or a product with another tensor before it
rounds.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.layers import cpu

ROWS = 512
"""The number of rows that weights are laid out for; the same layout is also the fastest one at a single row."""


class Preparable(nn.Module):
    """A layer that has a form for inference alone."""

    @abstractmethod
    def prepare(self) -> None:
        """Takes that form, for good: the parts can no longer be trained, saved apart, or moved to another device."""


class Packed(nn.Module):
    """x W^T + b, the weight in oneDNN's own layout; input and output in bf16."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.width = layer.in_features
        # Plain attributes: an opaque layout can be neither moved nor saved, so it must not look like a parameter.
        self.weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach().contiguous(), ROWS)
        self.bias = None if layer.bias is None else layer.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        return self._product(x, "none")

    def silu(self, x: Tensor) -> Tensor:
        """silu(x W^T + b), rounded once."""
        return self._product(x, "swish")

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """x W^T + b + other, rounded once."""
        out: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, other, self.weight, self.bias, "add")
        return out

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        """(x W^T + b) * other, rounded once."""
        out: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, other, self.weight, self.bias, "mul")
        return out

    def _product(self, x: Tensor, after: str) -> Tensor:
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, after, [], "")
        return out


def added(layer: nn.Module, x: Tensor, onto: Tensor) -> Tensor:
    """onto + layer(x), a packed layer's without another pass."""
    out: Tensor = layer.plus(x, onto) if isinstance(layer, Packed) else onto + layer(x)
    return out


def packs(weight: Tensor) -> bool:
    """Whether a weight can be packed: bf16 on a CPU that has products of bf16."""
    if weight.device.type != "cpu" or weight.dtype != torch.bfloat16 or not torch.backends.mkldnn.is_available():
        return False
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def product(*layers: nn.Linear) -> nn.Module:
    """Linear layers over the same input as one product for inference, their outputs side by side."""
    whole = layers[0] if len(layers) == 1 else joined(*layers)
    return Packed(whole) if packs(whole.weight) else whole


def joined(*layers: nn.Linear) -> nn.Linear:
    """Linear layers over the same input as one whose output is theirs side by side."""
    bias = any(layer.bias is not None for layer in layers)
    whole = nn.Linear(layers[0].in_features, sum(layer.out_features for layer in layers), bias, device="meta")
    whole.weight = nn.Parameter(torch.cat([layer.weight.detach() for layer in layers]), requires_grad=False)
    if bias:
        biases = [layer.weight.new_zeros(layer.out_features) if layer.bias is None else layer.bias for layer in layers]
        whole.bias = nn.Parameter(torch.cat([bias.detach() for bias in biases]), requires_grad=False)
    return whole


def scores(hidden_BTD: Tensor, weight_SD: Tensor) -> Tensor:
    """hidden W^T, [..., S]. A single row is one product of a matrix and a vector, which a CPU reads faster as such; torch's own
    takes twice as long as oneDNN's product of matrices, where that has bf16."""
    several, half = hidden_BTD.numel() > hidden_BTD.shape[-1], packs(weight_SD)
    run = cpu.program() if half and weight_SD.is_contiguous() else None
    if several or torch.is_grad_enabled() or (half and run is None):
        return F.linear(hidden_BTD, weight_SD)
    row_D = hidden_BTD.flatten()
    row_S = torch.mv(weight_SD, row_D) if run is None else cpu.matrix_vector(run, weight_SD, row_D)
    return row_S.view(*hidden_BTD.shape[:-1], -1)
