"""The perceiver resampler (arXiv:2103.03206): learned queries read a view, however many tokens it has."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chiasm.connect.queries import fresh
from chiasm.errors import BadPrompt
from chiasm.layers.attend import attend
from chiasm.layers.mlp import mlp
from chiasm.layers.norm import norm
from chiasm.layers.same import same
from chiasm.spec import Block, Resampler


class ReadingBlock(nn.Module):
    """Queries read the context and themselves, keys and values being those of both, then an MLP; each with a residual."""

    def __init__(self, spec: Block) -> None:
        super().__init__()
        self.heads, self.head_width = spec.heads, spec.head_width
        across, shared = spec.heads * spec.head_width, spec.kv_heads * spec.head_width
        self.norm1, self.context_norm, self.norm2 = (norm(spec.norm, spec.width) for _ in range(3))
        self.q = nn.Linear(spec.width, across, spec.qkv_bias)
        self.k = nn.Linear(spec.width, shared, spec.qkv_bias)
        self.v = nn.Linear(spec.width, shared, spec.qkv_bias)
        self.out = nn.Linear(across, spec.width, spec.out_bias)
        self.q_norm = nn.Identity() if spec.qk_norm is None else norm(spec.qk_norm, spec.head_width)
        self.k_norm = nn.Identity() if spec.qk_norm is None else norm(spec.qk_norm, spec.head_width)
        self.mlp = mlp(spec)

    def forward(self, queries_BGD: Tensor, context_BTD: Tensor, mask_B1GT: Tensor) -> Tensor:
        normed_BGD = self.norm1(queries_BGD)
        both_BTD = torch.cat([self.context_norm(context_BTD), normed_BGD], 1)
        heads = (part.unflatten(-1, (-1, self.head_width)) for part in (self.q(normed_BGD), self.k(both_BTD), self.v(both_BTD)))
        q_BNGF, k_BNTF, v_BNTF = (part.transpose(1, 2) for part in heads)
        mixed_BNGF = attend(self.q_norm(q_BNGF), self.k_norm(k_BNTF), v_BNTF, mask_B1GT)
        queries_BGD = queries_BGD + self.out(mixed_BNGF.transpose(1, 2).flatten(2))
        out_BGD: Tensor = queries_BGD + self.mlp(self.norm2(queries_BGD))
        return out_BGD


class ResamplerStep(nn.Module):
    """Every view's tokens become as many as there are queries. Views of fewer tokens than the longest one see no more of it."""

    def __init__(self, spec: Resampler) -> None:
        super().__init__()
        self.spec = spec
        if spec.ordinals:
            self.ordinals = nn.Parameter(torch.zeros(spec.ordinals, spec.block.width))
        self.queries = fresh(spec.queries, spec.block.width)
        self.blocks = nn.ModuleList(same(ReadingBlock, spec.block) for _ in range(spec.depth))
        self.norm = norm(spec.block.norm, spec.block.width)

    def numbered(self, x_VD: Tensor, nth_V: Tensor) -> Tensor:
        """Tokens that tell the number of their picture in its row. Raises `BadPrompt` for one beyond the learned numbers."""
        if len(nth_V) and int(nth_V.max()) >= len(self.ordinals):
            message = f"a row has {int(nth_V.max()) + 1} pictures and the model tells {len(self.ordinals)} apart: show fewer"
            raise BadPrompt(message)
        return x_VD + self.ordinals[nth_V]

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
        index_BT = index_VM[:: len(self.queries)]
        there_BT = index_BT >= 0
        mask_BT = torch.cat([there_BT, there_BT.new_ones(len(index_BT), len(self.queries))], 1)
        mask_B1GT = mask_BT[:, None, None].expand(-1, 1, len(self.queries), -1)
        context_BTD, x_BGD = x_VD[index_BT.clamp(min=0)], self.queries.expand(len(index_BT), -1, -1)
        for block in self.blocks:
            x_BGD = block(x_BGD, context_BTD, mask_B1GT)
        out_VD: Tensor = self.norm(x_BGD).flatten(0, 1)
        return out_VD
