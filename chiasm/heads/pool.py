"""From features of a picture's cells to one vector a picture: the ways that encoders do it themselves."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.heads.contrastive import AttentionHead, ClsHead
from chiasm.layers.mlp import mlp
from chiasm.layers.norm import norm
from chiasm.spec import (
    AddedPool,
    AttentionPool,
    Block,
    ClsProject,
    Encoder,
    First,
    GridPool,
    MeanProject,
    Pool,
    ResNet,
    Tanh,
    ViT,
)


class FirstHead(nn.Module):
    """The first token as it is."""

    def forward(self, features_BPE: Tensor) -> Tensor:
        return features_BPE[:, 0]


class TanhHead(nn.Module):
    """tanh of the first token through a linear layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)

    def forward(self, features_BPE: Tensor) -> Tensor:
        return self.dense(features_BPE[:, 0]).tanh()


class MeanHead(nn.Module):
    """The mean of all tokens but the first `skip`, projected without bias."""

    def __init__(self, spec: MeanProject, width: int, skip: int) -> None:
        super().__init__()
        self.skip = skip
        self.project = nn.Linear(width, spec.width, bias=False)

    def forward(self, features_BPE: Tensor) -> Tensor:
        return self.project(features_BPE[:, self.skip :].mean(1))


class AddedHead(nn.Module):
    """A learned query attends to all tokens; the first token plus what an MLP makes of the answer."""

    def __init__(self, spec: AddedPool, block: Block) -> None:
        super().__init__()
        self.heads = block.heads
        self.query = nn.Parameter(torch.zeros(block.width))
        self.q, self.k, self.v, self.out = (nn.Linear(block.width, block.width) for _ in range(4))
        self.norm = norm(block.norm, block.width)
        self.mlp = mlp(replace(block, mlp_width=spec.mlp_width, mlp_norm=None))

    def forward(self, features_BPE: Tensor) -> Tensor:
        query_B1E = self.q(self.query).expand(len(features_BPE), 1, -1)
        parts = (query_B1E, self.k(features_BPE), self.v(features_BPE))
        mixed = F.scaled_dot_product_attention(*(x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in parts))
        answer_BE = self.out(mixed.transpose(1, 2).flatten(2))[:, 0]
        out: Tensor = features_BPE[:, 0] + self.mlp(self.norm(answer_BE))
        return out


class GridHead(nn.Module):
    """The mean of a square grid asks the cells and itself, each at its learned place (CLIP's ResNets, arXiv:2103.00020)."""

    def __init__(self, spec: GridPool, width: int) -> None:
        super().__init__()
        self.heads = spec.heads
        self.position = nn.Parameter(torch.zeros(spec.side**2 + 1, width))
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, spec.width)

    def forward(self, features_BPE: Tensor) -> Tensor:
        x_BPE = torch.cat([features_BPE.mean(1, keepdim=True), features_BPE], 1) + self.position
        parts = (self.q(x_BPE[:, :1]), self.k(x_BPE), self.v(x_BPE))
        mixed = F.scaled_dot_product_attention(*(x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in parts))
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))[:, 0]
        return out


def pool(spec: Pool, encoder: Encoder) -> nn.Module:
    """The head that a spec describes. Raises `TypeError` for one that the encoder has no block for."""
    match spec, encoder:
        case ClsProject(), _:
            return ClsHead(spec, encoder.width)
        case First(), _:
            return FirstHead()
        case Tanh(), _:
            return TanhHead(encoder.width)
        case MeanProject(), ViT():
            return MeanHead(spec, encoder.width, encoder.extra if encoder.cls == "keep" else 0)
        case AttentionPool(), ViT():
            return AttentionHead(spec, encoder.block)
        case AddedPool(), ViT():
            return AddedHead(spec, encoder.block)
        case GridPool(), ResNet():
            return GridHead(spec, encoder.width)
        case _:
            raise TypeError(f"{type(spec).__name__} does not follow {type(encoder).__name__}")


def pooled(head: nn.Module, features_PE: Tensor, lengths: list[int]) -> Tensor:
    """One vector for each of the packed pictures of those lengths, [I, width]."""
    if len(set(lengths)) == 1:
        together: Tensor = head(features_PE.unflatten(0, (len(lengths), -1)))
        return together
    return torch.cat([head(part[None]) for part in features_PE.split(lengths)])
