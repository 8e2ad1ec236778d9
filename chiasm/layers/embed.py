"""Embeddings of ids that are more than a row of their table."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from chiasm.spec import Decoder


def sines(where_BT: Tensor, width: int) -> Tensor:
    """Sines, then cosines, of positions times `width` / 2 frequencies from 1 to 1/10000, in float32: [B, T, width]."""
    half = width // 2
    steps = torch.arange(half, device=where_BT.device).float() * -(math.log(10000) / (half - 1))
    angles = where_BT[..., None].float() * steps.exp()
    return torch.cat([angles.sin(), angles.cos()], -1)


class ScaledEmbedding(nn.Embedding):
    """Rows times the root of their width, a factor that is rounded as the rows are (Gemma, arXiv:2403.08295)."""

    def forward(self, ids: Tensor) -> Tensor:
        return super().forward(ids) * self.weight.new_tensor(self.embedding_dim**0.5)


class LedEmbedding(nn.Embedding):
    """Rows of another width than the blocks', led to theirs by a linear layer (OPT-350M, arXiv:2205.01068)."""

    def __init__(self, vocab: int, inner: int, width: int) -> None:
        super().__init__(vocab, inner)
        self.lead = nn.Linear(inner, width, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        out: Tensor = self.lead(super().forward(ids))
        return out


class GrownEmbedding(nn.Embedding):
    """A table and a second one for the ids after it (Idefics)."""

    def __init__(self, vocab: int, more: int, width: int) -> None:
        super().__init__(vocab, width)
        self.more = nn.Embedding(more, width)

    def forward(self, ids: Tensor) -> Tensor:
        late = ids >= self.num_embeddings
        known = super().forward(ids.masked_fill(late, 0))
        return torch.where(late[..., None], self.more((ids - self.num_embeddings).clamp(min=0)), known)


class GrownHead(nn.Linear):
    """The head's own table and a second one for the ids after it; both are read by whoever scores."""

    def __init__(self, spec: Decoder) -> None:
        super().__init__(spec.inner, spec.vocab, bias=False)
        self.more = nn.Linear(spec.inner, spec.more, bias=False)


def head(spec: Decoder) -> nn.Linear:
    """A decoder's head, where it is not the embedding."""
    return GrownHead(spec) if spec.more else nn.Linear(spec.inner, spec.vocab, bias=False)


def tables(table: nn.Embedding | nn.Linear) -> list[Tensor]:
    """What hidden states are compared with, one id a row."""
    match table:
        case GrownEmbedding() | GrownHead():
            return [table.weight, table.more.weight]
        case _:
            return [table.weight]


def embedding(spec: Decoder) -> nn.Embedding:
    """A decoder's embedding of ids."""
    match spec.embed_scale:
        case "root_width":
            return ScaledEmbedding(spec.vocab, spec.width)
        case "plain" if spec.inner != spec.width:
            return LedEmbedding(spec.vocab, spec.inner, spec.width)
        case "plain" if spec.more:
            return GrownEmbedding(spec.vocab, spec.more, spec.width)
        case "plain":
            return nn.Embedding(spec.vocab + spec.unsaid, spec.width)
