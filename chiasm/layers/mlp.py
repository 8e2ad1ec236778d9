"""The two MLPs of transformer blocks."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.layers.act import ACTIVATIONS
from chiasm.layers.linear import Packed, Preparable, added, packs, product
from chiasm.layers.norm import norm
from chiasm.spec import Activation, Block, Norm


class PlainMLP(Preparable):
    """down(act(up(x))), added to `onto` where that is given."""

    def __init__(self, width: int, hidden: int, act: Activation, bias: bool, inner: Norm | None = None) -> None:
        super().__init__()
        self.act = ACTIVATIONS[act]
        self.norm = None if inner is None else norm(inner, hidden)
        self.up: nn.Module = nn.Linear(width, hidden, bias)
        self.down: nn.Module = nn.Linear(hidden, width, bias)

    def prepare(self) -> None:
        if isinstance(self.up, nn.Linear) and isinstance(self.down, nn.Linear):
            self.up, self.down = product(self.up), product(self.down)

    def forward(self, x: Tensor, onto: Tensor | None = None) -> Tensor:
        hidden = self.act(self.up(x))
        hidden = hidden if self.norm is None else self.norm(hidden)
        out: Tensor = self.down(hidden) if onto is None else added(self.down, hidden, onto)
        return out


class GatedMLP(Preparable):
    """down(act(gate(x)) * up(x)) (arXiv:2002.05202), added to `onto` where that is given. `prepare` joins gate and up for
    inference."""

    def __init__(
        self, width: int, hidden: int, act: Activation, bias: bool, inner: Norm | None = None, out: int | None = None
    ) -> None:
        super().__init__()
        self.act = ACTIVATIONS[act]
        self.norm = None if inner is None else norm(inner, hidden)
        self.gate: nn.Linear | None = nn.Linear(width, hidden, bias)
        self.up: nn.Linear | None = nn.Linear(width, hidden, bias)
        self.down: nn.Module = nn.Linear(hidden, out or width, bias)
        self.gated: nn.Module | None = None

    def prepare(self) -> None:
        if self.gate is None or self.up is None or not isinstance(self.down, nn.Linear):
            return
        if packs(self.gate.weight) and self.act is F.silu:
            self.gated = PackedGate(Packed(self.gate), Packed(self.up))
        else:
            self.gated = JoinedGate(product(self.gate, self.up), self.act)
        self.down = product(self.down)
        self.gate = self.up = None

    def forward(self, x: Tensor, onto: Tensor | None = None) -> Tensor:
        if self.gated is not None:
            hidden = self.gated(x)
        else:
            assert self.gate is not None and self.up is not None
            hidden = self.act(self.gate(x)) * self.up(x)
        hidden = hidden if self.norm is None else self.norm(hidden)
        out: Tensor = self.down(hidden) if onto is None else added(self.down, hidden, onto)
        return out


class JoinedGate(nn.Module):
    """act(gate(x)) * up(x) from one product of both."""

    def __init__(self, both: nn.Module, act: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.both, self.act = both, act

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.both(x).chunk(2, -1)
        return self.act(gate) * up


class PackedGate(nn.Module):
    """silu(gate(x)) * up(x) as two products and nothing between."""

    def __init__(self, gate: Packed, up: Packed) -> None:
        super().__init__()
        self.gate, self.up = gate, up

    def forward(self, x: Tensor) -> Tensor:
        return self.up.times(x, self.gate.silu(x))


def mlp(spec: Block) -> nn.Module:
    """The MLP that a block's spec describes."""
    match spec.mlp:
        case "plain":
            return PlainMLP(spec.width, spec.mlp_width, spec.act, spec.mlp_bias, spec.mlp_norm)
        case "gated":
            return GatedMLP(spec.width, spec.mlp_width, spec.act, spec.mlp_bias, spec.mlp_norm)
