"""Connectors: each step gathers tokens along its route (place.py) and carries the weights that act on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from chiasm.layers.act import ACTIVATIONS
from chiasm.layers.norm import norm
from chiasm.place import NEWLINE, Laid, leaves, route
from chiasm.shapes import check
from chiasm.spec import JoinTiles, Merge, Mlp, Normed, Step


@dataclass(frozen=True)
class Visual:
    """Visual tokens in order, with the place of each and the grids those places refer to."""

    tokens_VD: Tensor
    laid: Laid

    def __post_init__(self) -> None:
        check(tokens_VD=self.tokens_VD, place_V4=self.laid.place_V4)


class MLPStep(nn.Module):
    """Linear layers with an activation between."""

    def __init__(self, spec: Mlp, width: int) -> None:
        super().__init__()
        widths = [width, *[spec.hidden] * (spec.depth - 1), spec.width]
        pairs = pairwise(widths)
        self.layers = nn.ModuleList(nn.Linear(into, out, spec.bias) for into, out in pairs)
        self.act = ACTIVATIONS[spec.act]

    def forward(self, x: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            x = layer(self.act(x) if number else x)
        return x


class MergeStep(nn.Module):
    """Joins the tokens of each route by width."""

    def forward(self, x_VD: Tensor, index_VM: Tensor) -> Tensor:
        return x_VD[index_VM].flatten(1)


class JoinStep(nn.Module):
    """Reorders tokens and sets the learned newline where the route says so."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.newline = nn.Parameter(torch.zeros(width))

    def forward(self, x_VD: Tensor, index_VM: Tensor) -> Tensor:
        return torch.where(index_VM == NEWLINE, self.newline, x_VD[index_VM[:, 0].clamp(min=0)])


class Connector(nn.Module):
    """Steps in order, from encoder features to visual tokens of the decoder's width."""

    def __init__(self, steps: Sequence[Step], width: int) -> None:
        super().__init__()
        self.spec = tuple(steps)
        modules: list[nn.Module] = []
        for step in steps:
            match step:
                case Mlp():
                    modules.append(MLPStep(step, width))
                case Normed():
                    modules.append(norm(step.norm, width))
                case Merge():
                    modules.append(MergeStep())
                case JoinTiles(keeps="canvas"):
                    modules.append(MergeStep())
                case JoinTiles():
                    modules.append(JoinStep(width))
            width = leaves(step, width)
        self.steps = nn.ModuleList(modules)
        self.width = width

    def forward(self, features_PE: Tensor, laid: Laid, sizes: Sequence[tuple[int, int]]) -> Visual:
        x = features_PE
        for step, module in zip(self.spec, self.steps, strict=True):
            if isinstance(step, Mlp | Normed):
                x = module(x)
                continue
            path = route(step, laid, sizes)
            x, laid = module(x, torch.from_numpy(path.index_VM).to(x.device)), path.laid
        return Visual(x, laid)
