"""Attention whose queries are normed over all heads together, and whose keys are: InternViT-6B's (arXiv:2312.14238)."""

from __future__ import annotations

from torch import Tensor

from chiasm.layers.attention import Attention
from chiasm.layers.norm import norm
from chiasm.layers.rope import Turn, rotate
from chiasm.spec import Block, Norm


class AcrossNormAttention(Attention):
    """Queries and keys are normed over their whole width before they are cut into heads and turned."""

    def __init__(self, spec: Block, across: Norm) -> None:
        super().__init__(spec)
        self.q_across = norm(across, self.heads * self.head_width)
        self.k_across = norm(across, self.kv_heads * self.head_width)

    def prepare(self) -> None:
        super().prepare()
        # The compiled program turns what the joint projection wrote: it has no place for a norm between.
        self.run, self.in_tiles = None, False

    def heads_of(self, x_BTD: Tensor, by: Turn | None) -> tuple[Tensor, Tensor, Tensor]:
        if self.qkv is not None:
            widths = [number * self.head_width for number in (self.heads, self.kv_heads, self.kv_heads)]
            q, k, v = self.qkv(x_BTD).split_with_sizes(widths, -1)
        else:
            assert self.q is not None and self.k is not None and self.v is not None
            q, k, v = self.q(x_BTD), self.k(x_BTD), self.v(x_BTD)
        q, k, v = (part.unflatten(-1, (-1, self.head_width)) for part in (self.q_across(q), self.k_across(k), v))
        return (q, k, v) if by is None else (rotate(q, by), rotate(k, by), v)
