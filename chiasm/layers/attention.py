"""Multi-head attention with shared keys, rotary positions, a cache, or spans that only see themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.layers.cache import KVCache
from chiasm.layers.mlp import joined
from chiasm.layers.rope import Turn, rotate
from chiasm.spec import Block


@dataclass(frozen=True)
class Spans:
    """Packed sequences, one after the other in one row: each attends to itself alone."""

    lengths: tuple[int, ...]


Mask = Tensor | Spans | Literal["full", "causal"]
"""What a query may see: a tensor [B or 1, 1, T, keys] (true = seen), its own span, everything, or what is not later."""


@dataclass(frozen=True)
class Slot:
    """One layer's place in a cache."""

    cache: KVCache
    layer: int


class Attention(nn.Module):
    """softmax(q k^T / sqrt(F)) v. `prepare` joins the three projections into one product for inference."""

    def __init__(self, spec: Block) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width = spec.heads, spec.kv_heads, spec.head_width
        across, shared = spec.heads * spec.head_width, spec.kv_heads * spec.head_width
        self.q: nn.Linear | None = nn.Linear(spec.width, across, spec.qkv_bias)
        self.k: nn.Linear | None = nn.Linear(spec.width, shared, spec.qkv_bias)
        self.v: nn.Linear | None = nn.Linear(spec.width, shared, spec.qkv_bias)
        self.out = nn.Linear(across, spec.width, spec.out_bias)
        self.qkv: nn.Linear | None = None

    def prepare(self) -> None:
        if self.q is not None and self.k is not None and self.v is not None:
            self.qkv = joined(self.q, self.k, self.v)
            self.q = self.k = self.v = None

    def forward(self, x_BTD: Tensor, mask: Mask, by: Turn | None = None, slot: Slot | None = None) -> Tensor:
        q_BNTF, k_BNTF, v_BNTF = self._project(x_BTD)
        if by is not None:
            q_BNTF, k_BNTF = rotate(q_BNTF, by), rotate(k_BNTF, by)
        if slot is not None:
            k_BNTF, v_BNTF = slot.cache.write(slot.layer, k_BNTF, v_BNTF)
        mixed_BNTF = attend(q_BNTF, k_BNTF, v_BNTF, mask)
        return self.out(mixed_BNTF.transpose(1, 2).flatten(2))

    def _project(self, x_BTD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.qkv is not None:
            heads = self.qkv(x_BTD).unflatten(-1, (-1, self.head_width)).transpose(1, 2)
            q, k, v = heads.split((self.heads, self.kv_heads, self.kv_heads), 1)
            return q, k, v
        assert self.q is not None and self.k is not None and self.v is not None
        q, k, v = (
            project(x_BTD).unflatten(-1, (-1, self.head_width)).transpose(1, 2) for project in (self.q, self.k, self.v)
        )
        return q, k, v


def attend(q_BNTF: Tensor, k_BNTF: Tensor, v_BNTF: Tensor, mask: Mask) -> Tensor:
    """Attention of queries to keys under a mask; [B, N, T, F]. Fewer key heads than query heads are shared in order."""
    if isinstance(mask, Spans):
        return _attend_spans(q_BNTF, k_BNTF, v_BNTF, mask)
    queries, heads, shared = q_BNTF.shape[2], q_BNTF.shape[1], k_BNTF.shape[1]
    if queries == 1 and heads != shared:
        # One query a head: the heads that share keys are as many queries of one shared head, and nothing is copied.
        grouped = q_BNTF.unflatten(1, (shared, -1)).squeeze(3)
        seen = mask if isinstance(mask, Tensor) else None
        return F.scaled_dot_product_attention(grouped, k_BNTF, v_BNTF, attn_mask=seen).flatten(1, 2).unsqueeze(2)
    causal = mask == "causal" if isinstance(mask, str) else False
    seen = mask if isinstance(mask, Tensor) else None
    return F.scaled_dot_product_attention(
        q_BNTF, k_BNTF, v_BNTF, attn_mask=seen, is_causal=causal and queries > 1, enable_gqa=heads != shared
    )


def _attend_spans(q_BNTF: Tensor, k_BNTF: Tensor, v_BNTF: Tensor, spans: Spans) -> Tensor:
    lengths = spans.lengths
    if len(set(lengths)) == 1:
        q, k, v = (x[0].unflatten(1, (len(lengths), -1)).transpose(0, 1) for x in (q_BNTF, k_BNTF, v_BNTF))
        return F.scaled_dot_product_attention(q, k, v).transpose(0, 1).flatten(1, 2)[None]
    parts = zip(*(x.split(lengths, 2) for x in (q_BNTF, k_BNTF, v_BNTF)), strict=True)
    return torch.cat([F.scaled_dot_product_attention(q, k, v) for q, k, v in parts], 2)
