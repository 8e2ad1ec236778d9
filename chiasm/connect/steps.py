"""Connectors: each step gathers tokens along its route (place/) and carries the weights that act on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chiasm.connect.asker import AskerStep
from chiasm.connect.compress import CompressStep
from chiasm.connect.gathered import BlendStep, EncloseStep, EndsStep, JoinStep, MeansStep, MergeStep, PoolStep, RowsStep
from chiasm.connect.placed import PlacedStep
from chiasm.connect.qformer import Hint, QueryTransformer
from chiasm.connect.reader import ReaderStep
from chiasm.connect.resampler import ResamplerStep
from chiasm.connect.single import AlignStep, BendStep, MLPStep, RecutStep, TimesStep, UnitStep
from chiasm.connect.tally import TallyStep
from chiasm.layers.mlp import GatedMLP
from chiasm.layers.norm import norm
from chiasm.place import Laid, leaves, route
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
    Tally,
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
                case Tally():
                    modules.append(TallyStep(step, width))
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
            elif isinstance(module, TallyStep):
                x, laid = module(x, path, laid), path.laid
            elif isinstance(module, CompressStep):
                x, laid = module(x, path, laid)
            elif isinstance(step, Reader):
                x, laid = module(x, index_VM, laid), path.laid
            else:
                x, laid = module(x, index_VM, weight_VM), path.laid
        return Visual(x, laid)
