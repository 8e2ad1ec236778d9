"""Connectors: each step gathers tokens along its route (place.py) and carries the weights that act on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.connect.asker import AskerStep
from chiasm.connect.compress import CompressStep
from chiasm.connect.placed import PlacedStep
from chiasm.connect.qformer import Hint, QueryTransformer
from chiasm.connect.reader import ReaderStep
from chiasm.connect.resampler import ResamplerStep
from chiasm.layers.act import ACTIVATIONS
from chiasm.layers.mlp import GatedMLP
from chiasm.layers.norm import norm
from chiasm.place import BREAK, CLOSING, NEWLINE, OPENING, Laid, leaves, route
from chiasm.shapes import check
from chiasm.spec import (
    Align,
    Asker,
    Bend,
    Enclose,
    EndFrames,
    EndRows,
    JoinTiles,
    Merge,
    MergeAlike,
    MergeFrames,
    Mlp,
    Normed,
    Placed,
    PoolClips,
    PoolSquares,
    PoolTime,
    Prune,
    QFormer,
    Reader,
    Recut,
    Resampler,
    RowsOfTiles,
    Step,
    Times,
    TwoMeans,
    Unit,
)


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


class MergeStep(nn.Module):
    """Joins the tokens of each route by width, zeros where it has none."""

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
        if bool((index_VM < 0).any()):
            # The last row is what an index of -1 finds.
            x_VD = F.pad(x_VD, (0, 0, 0, 1))
        return x_VD[index_VM].flatten(1)


class BendStep(nn.Module):
    """An activation."""

    def __init__(self, spec: Bend) -> None:
        super().__init__()
        self.act = ACTIVATIONS[spec.act]

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x)


class EncloseStep(nn.Module):
    """Sets the learned vectors around a view's tokens where the route says so."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.after = (nn.Parameter(torch.zeros(width)) for _ in range(2))

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
        own_VD = torch.where(index_VM == OPENING, self.before, x_VD[index_VM[:, 0].clamp(min=0)])
        return torch.where(index_VM == CLOSING, self.after, own_VD)


class JoinStep(nn.Module):
    """Reorders tokens, some of them blends of neighbours, and sets the learned newline where the route says so."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.newline = nn.Parameter(torch.zeros(width))

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
        return torch.where(index_VM[:, :1] == NEWLINE, self.newline, blended(x_VD, index_VM.clamp(min=0), weight_VM))


class RowsStep(nn.Module):
    """Reorders tokens, and sets the two learned marks where the route says so."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.newline, self.between = (nn.Parameter(torch.zeros(width)) for _ in range(2))

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
        made_VD = torch.where(index_VM == NEWLINE, self.newline, x_VD[index_VM[:, 0].clamp(min=0)])
        return torch.where(index_VM == BREAK, self.between, made_VD)


class EndsStep(nn.Module):
    """Codes in the order of the route, and its own negative numbers where it says that something ends."""

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
        return torch.where(index_VM < 0, index_VM, x_VD[index_VM.clamp(min=0)[:, 0]])


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


class PoolStep(nn.Module):
    """The mean, the blend or the highest of each route's tokens."""

    def __init__(self, spec: PoolClips) -> None:
        super().__init__()
        self.highest = spec.how == "max"

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
        return x_VD[index_VM].amax(1) if self.highest else blended(x_VD, index_VM, weight_VM)


class BlendStep(nn.Module):
    """Each route's tokens added up in its shares."""

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
        return blended(x_VD, index_VM, weight_VM)


class MeansStep(nn.Module):
    """The mean of each route's tokens, in half precision; zeros where it has none."""

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
        lengths = (index_VM >= 0).sum(1)
        out_VD = x_VD.new_zeros(len(index_VM), x_VD.shape[1])
        for length in filter(None, lengths.unique().tolist()):
            rows = lengths == length
            out_VD[rows] = x_VD[index_VM[rows, :length]].mean(1)
        return out_VD.half().to(x_VD.dtype)


def blended(x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
    """Each route's tokens added up in its shares; a route without shares has one token."""
    if weight_VM is None:
        return x_VD[index_VM[:, 0]]
    return (x_VD[index_VM] * weight_VM[..., None].to(x_VD.dtype)).sum(1)


class Connector(nn.Module):
    """Steps in order, from encoder features to visual tokens of the decoder's width."""

    def __init__(self, steps: Sequence[Step], width: int) -> None:
        super().__init__()
        self.spec = tuple(steps)
        modules: list[nn.Module] = []
        for step in steps:
            match step:
                case Mlp(gated=True):
                    modules.append(GatedMLP(width, step.hidden, step.act, step.bias, out=step.width))
                case Mlp():
                    modules.append(MLPStep(step, width))
                case Align():
                    modules.append(AlignStep(step))
                case Normed():
                    modules.append(norm(step.norm, width))
                case Bend():
                    modules.append(BendStep(step))
                case Enclose():
                    modules.append(EncloseStep(width))
                case Recut():
                    modules.append(RecutStep(step))
                case Merge():
                    modules.append(MergeStep())
                case JoinTiles(keeps="canvas"):
                    modules.append(MergeStep())
                case JoinTiles():
                    modules.append(JoinStep(width))
                case PoolClips():
                    modules.append(PoolStep(step))
                case Resampler():
                    modules.append(ResamplerStep(step))
                case RowsOfTiles():
                    modules.append(RowsStep(width))
                case PoolTime() | PoolSquares() | MergeFrames():
                    modules.append(BlendStep())
                case TwoMeans():
                    modules.append(MeansStep())
                case Reader():
                    modules.append(ReaderStep(step, width))
                case QFormer():
                    modules.append(QueryTransformer(step, width))
                case MergeAlike() | Prune():
                    modules.append(CompressStep(step))
                case Placed():
                    modules.append(PlacedStep(step, width))
                case Unit():
                    modules.append(UnitStep())
                case Times():
                    modules.append(TimesStep(step))
                case Asker():
                    modules.append(AskerStep(step))
                case EndRows() | EndFrames():
                    modules.append(EndsStep())
            width = leaves(step, width)
        self.steps = nn.ModuleList(modules)
        self.width = width

    def forward(
        self,
        features_PE: Tensor,
        laid: Laid,
        sizes: Sequence[tuple[int, int]],
        hint: Hint | None = None,
        nth: Sequence[int] = (),
    ) -> Visual:
        """`sizes` are the items' upright (width, height), `nth` the number of each in its row (none: the first), `hint` the
        text that goes with each, for a step that reads one."""
        x = features_PE
        for step, module in zip(self.spec, self.steps, strict=True):
            if isinstance(step, Mlp | Normed | Align | Bend | Recut | Unit | Times):
                x = module(x)
                continue
            if isinstance(module, ResamplerStep) and module.spec.ordinals:
                x = module.numbered(x, torch.tensor([nth[item] if nth else 0 for item in laid.items()], device=x.device))
            path = route(step, laid, sizes)
            index_VM = torch.from_numpy(path.index_VM).to(x.device)
            weight_VM = None if path.weight_VM is None else torch.from_numpy(path.weight_VM).to(x.device)
            if isinstance(step, QFormer):
                told = None if hint is None else hint.of([grid.item for grid in laid.grids])
                x, laid = module(x, index_VM, weight_VM, told), path.laid
            elif isinstance(module, PlacedStep):
                x = module(x, path.laid)
            elif isinstance(module, CompressStep):
                x, laid = module(x, path, laid)
            elif isinstance(step, Reader):
                x, laid = module(x, index_VM, laid), path.laid
            else:
                x, laid = module(x, index_VM, weight_VM), path.laid
        return Visual(x, laid)
