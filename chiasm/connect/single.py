"""Steps that act on each token by itself."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.layers.act import ACTIVATIONS
from chiasm.spec import Align, Bend, Mlp, Recut, Times


class MLPStep(nn.Module):
    """Linear layers with an activation between."""

    def __init__(self, spec: Mlp, width: int) -> None:
        super().__init__()
        widths = [width, *[spec.hidden] * (spec.depth - 1), spec.width]
        pairs = pairwise(widths)
        self.layers = nn.ModuleList(nn.Linear(into, out, spec.bias) for into, out in pairs)
        self.act = ACTIVATIONS[spec.act]

    def forward(self, x: Tensor) -> Tensor:
        # What comes may be pixels, which are no numbers of the model's own kind.
        x = x.to(next(self.parameters()).dtype)
        for number, layer in enumerate(self.layers):
            x = layer(self.act(x) if number else x)
        return x


class AlignStep(nn.Module):
    """Parts of a token through layers of their own, then one layer over all of them."""

    def __init__(self, spec: Align) -> None:
        super().__init__()
        self.spec, share = spec, spec.width // len(spec.parts)
        self.parts = nn.ModuleList(nn.Linear(part, share) for part in spec.parts)
        self.out = nn.Linear(spec.width, spec.width)
        self.act = ACTIVATIONS[spec.act]

    def forward(self, x: Tensor) -> Tensor:
        parts = zip(self.parts, x.split(self.spec.parts, -1), strict=True)
        out: Tensor = self.out(self.act(torch.cat([layer(part) for layer, part in parts], -1)))
        return out


class RecutStep(nn.Module):
    """All numbers in one line, cut anew into as many tokens of another width."""

    def __init__(self, spec: Recut) -> None:
        super().__init__()
        self.width = spec.width

    def forward(self, x_VD: Tensor) -> Tensor:
        return x_VD.flatten()[: len(x_VD) * self.width].unflatten(0, (-1, self.width))


class BendStep(nn.Module):
    """An activation."""

    def __init__(self, spec: Bend) -> None:
        super().__init__()
        self.act = ACTIVATIONS[spec.act]

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x)


class UnitStep(nn.Module):
    """Tokens of length one."""

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=-1)


class TimesStep(nn.Module):
    """Tokens times a number."""

    def __init__(self, spec: Times) -> None:
        super().__init__()
        self.by = spec.by

    def forward(self, x: Tensor) -> Tensor:
        return x * self.by
