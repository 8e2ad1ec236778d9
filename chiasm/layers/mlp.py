"""The two MLPs of transformer blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chiasm.layers.act import ACTIVATIONS
from chiasm.spec import Activation, Block


class PlainMLP(nn.Module):
    """down(act(up(x)))."""

    def __init__(self, width: int, hidden: int, act: Activation, bias: bool) -> None:
        super().__init__()
        self.act = ACTIVATIONS[act]
        self.up = nn.Linear(width, hidden, bias)
        self.down = nn.Linear(hidden, width, bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.act(self.up(x)))


class GatedMLP(nn.Module):
    """down(act(gate(x)) * up(x)) (arXiv:2002.05202). `prepare` joins gate and up into one product for inference."""

    def __init__(self, width: int, hidden: int, act: Activation, bias: bool) -> None:
        super().__init__()
        self.act = ACTIVATIONS[act]
        self.gate: nn.Linear | None = nn.Linear(width, hidden, bias)
        self.up: nn.Linear | None = nn.Linear(width, hidden, bias)
        self.down = nn.Linear(hidden, width, bias)
        self.gate_up: nn.Linear | None = None

    def prepare(self) -> None:
        if self.gate is not None and self.up is not None:
            self.gate_up = joined(self.gate, self.up)
            self.gate = self.up = None

    def forward(self, x: Tensor) -> Tensor:
        if self.gate_up is not None:
            gate, up = self.gate_up(x).chunk(2, -1)
        else:
            assert self.gate is not None and self.up is not None
            gate, up = self.gate(x), self.up(x)
        return self.down(self.act(gate) * up)


def mlp(spec: Block) -> nn.Module:
    """The MLP that a block's spec describes."""
    match spec.mlp:
        case "plain":
            return PlainMLP(spec.width, spec.mlp_width, spec.act, spec.mlp_bias)
        case "gated":
            return GatedMLP(spec.width, spec.mlp_width, spec.act, spec.mlp_bias)


def joined(*layers: nn.Linear) -> nn.Linear:
    """Linear layers over the same input as one whose output is theirs side by side."""
    bias = layers[0].bias is not None
    whole = nn.Linear(layers[0].in_features, sum(layer.out_features for layer in layers), bias, device="meta")
    whole.weight = nn.Parameter(torch.cat([layer.weight.detach() for layer in layers]), requires_grad=False)
    if bias:
        whole.bias = nn.Parameter(torch.cat([layer.bias.detach() for layer in layers]), requires_grad=False)
    return whole
