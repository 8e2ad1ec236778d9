"""Attention in time beside that in space: each cell of a clip's frame sees the same cell of the others (arXiv:2102.05095)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chiasm.errors import BadPicture
from chiasm.layers.attend import Spans
from chiasm.layers.block import attention
from chiasm.layers.norm import norm
from chiasm.layers.same import same
from chiasm.place import Grid
from chiasm.spec import Block, Divided


@dataclass(frozen=True)
class Moving:
    """Tokens that have a time, the steps of one cell one after the other: where each stands, and how many steps cells have."""

    at_P: Tensor
    spans: Spans


class TimeAttention(nn.Module):
    """x + project(attention(norm(x))), over the steps of each cell; a new projection is zero, so that it begins as nothing."""

    def __init__(self, spec: Block) -> None:
        super().__init__()
        self.norm = norm(spec.norm, spec.width)
        self.attention = attention(spec)
        self.project = nn.Linear(spec.width, spec.width)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, x_1PE: Tensor, moving: Moving) -> Tensor:
        told_1PE = self.project(self.attention(self.norm(x_1PE[:, moving.at_P]), moving.spans))
        return x_1PE.index_add(1, moving.at_P, told_1PE)


class TimeBlocks(nn.Module):
    """The temporal halves of all blocks, and a learned vector for each step of time.

    Only clips of several steps pass them: a picture, or a clip of one frame, has no time, and leaves the encoder as it would
    without them, whatever they have learned. Class tokens and registers stay each frame's own, and out of it.
    """

    def __init__(self, spec: Divided, block: Block, depth: int) -> None:
        super().__init__()
        self.spec = spec
        self.steps = nn.Parameter(torch.zeros(spec.steps, block.width))
        self.blocks = nn.ModuleList(same(TimeAttention, block) for _ in range(depth))

    def begin_as(self, blocks: Iterable[nn.Module]) -> None:
        """Norms and attention as those of the blocks themselves, which are of the same shapes."""
        for half, block in zip(self.blocks, blocks, strict=True):
            own = {name: tensor for name, tensor in block.state_dict().items() if name.startswith(("norm1.", "attention."))}
            begun = {name.replace("norm1.", "norm.", 1): tensor for name, tensor in own.items()}
            half.load_state_dict({**half.state_dict(), **begun})

    def told(self, x_PE: Tensor, grids: Sequence[Grid]) -> Tensor:
        """Cells, packed without class tokens, with the vectors of their steps. Raises `BadPicture` for too many of these."""
        for grid in grids:
            if grid.t > self.spec.steps:
                known = f"this model knows {self.spec.steps} at most"
                raise BadPicture(f"a clip of {grid.t} frames, and {known}: take fewer of them")
        steps_P = torch.cat([torch.arange(g.t).repeat_interleave(g.h * g.w) for g in grids]).to(x_PE.device)
        moves_P1 = torch.cat([torch.full((g.cells, 1), g.t > 1) for g in grids]).to(x_PE.device)
        return x_PE + self.steps[steps_P] * moves_P1


def moving(grids: Sequence[Grid], extra: int, device: torch.device) -> Moving | None:
    """The cells of clips of several steps, where there are any; before each step's cells stand `extra` tokens."""
    at, lengths, start = list[Tensor](), list[int](), 0
    for grid in grids:
        each = extra + grid.h * grid.w
        if grid.t > 1:
            tokens_TK = torch.arange(start, start + grid.t * each).unflatten(0, (grid.t, each))[:, extra:]
            at.append(tokens_TK.T.flatten())
            lengths += [grid.t] * (grid.h * grid.w)
        start += grid.t * each
    return Moving(torch.cat(at).to(device), Spans(tuple(lengths))) if at else None
