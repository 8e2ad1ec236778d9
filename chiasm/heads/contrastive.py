"""From features to one vector a picture, and from two sets of vectors to logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.layers.mlp import PlainMLP
from chiasm.layers.norm import norm
from chiasm.spec import AttentionPool, Block, ClsProject


class ClsHead(nn.Module):
    """The class token projected."""

    def __init__(self, spec: ClsProject, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, spec.width, spec.bias)

    def forward(self, features_BPE: Tensor) -> Tensor:
        return self.project(features_BPE[:, 0])


class AttentionHead(nn.Module):
    """A learned query over all patches, then an MLP with residual (SigLIP)."""

    def __init__(self, spec: AttentionPool, block: Block) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(1, 1, block.width))
        self.attention = nn.MultiheadAttention(block.width, block.heads, batch_first=True)
        self.norm = norm(block.norm, block.width)
        self.mlp = PlainMLP(block.width, spec.mlp_width, block.act, bias=True)

    def forward(self, features_BPE: Tensor) -> Tensor:
        query = self.query.expand(len(features_BPE), -1, -1)
        pooled = self.attention(query, features_BPE, features_BPE, need_weights=False)[0]
        return (pooled + self.mlp(self.norm(pooled)))[:, 0]


class Logits(nn.Module):
    """Cosines times a learned scale (stored as its logarithm), plus a learned bias where the sigmoid loss wants one."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros((1,) if bias else ()))
        self.bias = nn.Parameter(torch.zeros(1)) if bias else None

    def forward(self, image_ID: Tensor, text_BD: Tensor) -> Tensor:
        """logits [texts, images] of unit vectors."""
        logits = text_BD @ image_ID.T * self.scale.exp()
        return logits if self.bias is None else logits + self.bias


def unit(x: Tensor) -> Tensor:
    """Rows of length one."""
    return F.normalize(x, dim=-1)
