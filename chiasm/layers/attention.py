"""Multi-head attention with shared keys, rotary positions, a cache, or spans that only see themselves."""

from __future__ import annotations

from ctypes import CDLL
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from chiasm.layers import cpu
from chiasm.layers.attend import Mask, attend, attend_beside, bent
from chiasm.layers.cache import KVCache
from chiasm.layers.linear import Preparable, added, packs, product
from chiasm.layers.norm import HeadsNorm, norm
from chiasm.layers.rope import Turn, rotate
from chiasm.spec import Block, Norm

Wanted = Literal["all", "last"]
"""Whose hidden states are asked for: every position's, or the last one's alone, as when a prompt is read."""


@dataclass(frozen=True)
class Slot:
    """One layer's place in a cache, numbered among those of its kind."""

    cache: KVCache
    layer: int


TILED = 8
"""Queries from which the compiled program's blocks of 32 are worth it."""


class Attention(Preparable):
    """softmax(q k^T / sqrt(F)) v, but for what the spec's `scores` and `qk_norm` say otherwise. `prepare` joins the three
    projections into one product for inference."""

    def __init__(self, spec: Block) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width = spec.heads, spec.kv_heads, spec.head_width
        across, shared = spec.heads * spec.head_width, spec.kv_heads * spec.head_width
        self.q: nn.Linear | None = nn.Linear(spec.width, across, spec.qkv_bias)
        self.k: nn.Linear | None = nn.Linear(spec.width, shared, spec.qkv_bias and spec.k_bias)
        self.v: nn.Linear | None = nn.Linear(spec.width, shared, spec.qkv_bias)
        self.out: nn.Module = nn.Linear(across, spec.width, spec.out_bias)
        self.q_norm = None if spec.qk_norm is None else heads_norm(spec, spec.qk_norm, spec.heads)
        self.k_norm = None if spec.qk_norm is None else heads_norm(spec, spec.qk_norm, spec.kv_heads)
        self.louder = louder(spec)
        self.cap = spec.scores.cap
        self.norm = None if spec.attention_norm is None else norm(spec.attention_norm, across)
        self.bias_k = nn.Parameter(torch.zeros(shared)) if spec.extra_key else None
        self.bias_v = nn.Parameter(torch.zeros(shared)) if spec.extra_key else None
        self.qkv: nn.Module | None = None
        self.run: CDLL | None = None
        self.in_tiles = False

    def prepare(self) -> None:
        if self.q is not None and self.k is not None and self.v is not None:
            self.run = cpu.program() if packs(self.q.weight) and self._usual else None
            plain = self.norm is None and self.bias_k is None
            self.in_tiles = plain and self.run is not None and cpu.attends(self.run, self.head_width)
            self.qkv = product(self.q, self.k, self.v)
            self.q = self.k = self.v = None
        if isinstance(self.out, nn.Linear):
            self.out = product(self.out)

    @property
    def _usual(self) -> bool:
        """Whether the compiled program computes this attention."""
        return self.q_norm is None and self.louder is None and self.cap is None

    def forward(
        self,
        x_BTD: Tensor,
        mask: Mask,
        by: Turn | None = None,
        slot: Slot | None = None,
        wanted: Wanted = "all",
        onto_BTD: Tensor | None = None,
    ) -> Tensor:
        calm = by is None or by.louder is None
        if self.run is not None and self.in_tiles and calm and wanted == "all" and _tiled(mask, x_BTD.shape[1]):
            return self.leave(self._prefill(self.run, x_BTD, mask, by, slot), onto_BTD)
        q_BTNF, k_BTNF, v_BTNF = self.heads_of(x_BTD, by)
        if by is not None and by.louder is not None:
            q_BTNF = q_BTNF * by.louder
        return self.leave(self.mix(q_BTNF, k_BTNF, v_BTNF, mask, slot, wanted), onto_BTD)

    def mix(
        self, q_BTNF: Tensor, k_BTNF: Tensor, v_BTNF: Tensor, mask: Mask, slot: Slot | None = None, wanted: Wanted = "all"
    ) -> Tensor:
        """What the queries find, all heads side by side: [B, T, N * F]."""
        q_BNTF, k_BNTF, v_BNTF = (heads.transpose(1, 2) for heads in (q_BTNF, k_BTNF, v_BTNF))
        if wanted == "last":
            q_BNTF, mask = q_BNTF[:, :, -1:], mask[:, :, -1:] if isinstance(mask, Tensor) else "full"
        if slot is not None:
            k_BNTF, v_BNTF = slot.cache.write(slot.layer, k_BNTF, v_BNTF)
        if self.louder is not None:
            q_BNTF = q_BNTF * self.louder
        if self.bias_k is not None and self.bias_v is not None:
            key_N1F, value_N1F = (extra.view(-1, 1, self.head_width) for extra in (self.bias_k, self.bias_v))
            mixed_BNTF = attend_beside(q_BNTF, k_BNTF, v_BNTF, mask, key_N1F, value_N1F)
        elif self.cap is not None:
            mixed_BNTF = bent(q_BNTF, k_BNTF, v_BNTF, mask, self.cap)
        else:
            mixed_BNTF = attend(q_BNTF, k_BNTF, v_BNTF, mask)
        mixed_BTD = mixed_BNTF.transpose(1, 2).flatten(2)
        return mixed_BTD if self.norm is None else self.norm(mixed_BTD)

    def leave(self, mixed_BTD: Tensor, onto_BTD: Tensor | None = None) -> Tensor:
        """Through the last product, onto the residual where there is one."""
        out_BTD: Tensor = self.out(mixed_BTD) if onto_BTD is None else added(self.out, mixed_BTD, onto_BTD)
        return out_BTD

    def _prefill(self, run: CDLL, x_BTD: Tensor, mask: Mask, by: Turn | None, slot: Slot | None) -> Tensor:
        """Many positions mixed by the compiled program, read where the joint projection or the cache has them."""
        heads_BTNF = self._joint(run, x_BTD, by)
        q_BTNF, k_BTNF, v_BTNF = heads_BTNF.split_with_sizes((self.heads, self.kv_heads, self.kv_heads), 2)
        k_BNTF, v_BNTF = k_BTNF.transpose(1, 2), v_BTNF.transpose(1, 2)
        if slot is not None:
            k_BNTF, v_BNTF = slot.cache.write(slot.layer, k_BNTF, v_BNTF)
        return cpu.attend(run, q_BTNF, k_BNTF, v_BNTF, mask[:, 0] if isinstance(mask, Tensor) else None).flatten(2)

    def _joint(self, run: CDLL, x_BTD: Tensor, by: Turn | None) -> Tensor:
        """Queries, keys and values as the prepared projection writes them, the first two turned in place: [B, T, heads, F]."""
        assert self.qkv is not None
        heads_BTNF: Tensor = self.qkv(x_BTD).unflatten(-1, (-1, self.head_width))
        if by is not None and by.cos.shape[-1] == self.head_width:
            cpu.turn(run, heads_BTNF, by.cos, by.sin, self.heads + self.kv_heads)
        elif by is not None:
            turned, v = heads_BTNF.split_with_sizes((self.heads + self.kv_heads, self.kv_heads), 2)
            return torch.cat([rotate(turned, by), v], 2)
        return heads_BTNF

    def heads_of(self, x_BTD: Tensor, by: Turn | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries and keys, turned by their positions, and values: [B, T, heads, F] each."""
        if self.run is not None:
            q, k, v = self._joint(self.run, x_BTD, by).split_with_sizes((self.heads, self.kv_heads, self.kv_heads), 2)
            return q, k, v
        if self.qkv is not None:
            heads_BTNF = self.qkv(x_BTD).unflatten(-1, (-1, self.head_width))
            turned, v = heads_BTNF.split_with_sizes((self.heads + self.kv_heads, self.kv_heads), 2)
            if self.q_norm is not None:
                q, k = turned.split_with_sizes((self.heads, self.kv_heads), 2)
                return *self._normed(q, k, by), v
            q, k = (turned if by is None else rotate(turned, by)).split_with_sizes((self.heads, self.kv_heads), 2)
            return q, k, v
        assert self.q is not None and self.k is not None and self.v is not None
        q, k, v = (part(x_BTD).unflatten(-1, (-1, self.head_width)) for part in (self.q, self.k, self.v))
        return *self._normed(q, k, by), v

    def _normed(self, q_BTNF: Tensor, k_BTNF: Tensor, by: Turn | None) -> tuple[Tensor, Tensor]:
        """Queries and keys normed, then turned."""
        if self.q_norm is not None and self.k_norm is not None:
            q_BTNF, k_BTNF = self.q_norm(q_BTNF), self.k_norm(k_BTNF)
        return (q_BTNF, k_BTNF) if by is None else (rotate(q_BTNF, by), rotate(k_BTNF, by))


def _tiled(mask: Mask, queries: int) -> bool:
    """Whether the compiled program does so many queries under such a mask; a few are quicker by torch's products."""
    if isinstance(mask, Tensor):
        return queries >= TILED and mask.dtype == torch.bool and mask.shape[1] == 1
    return isinstance(mask, str) and mask == "causal" and queries >= TILED


def heads_norm(spec: Block, kind: Norm, heads: int) -> nn.Module:
    """The norm of so many heads' queries or keys, [..., heads, F]."""
    return norm(kind, spec.head_width) if spec.qk_norm_of == "all" else HeadsNorm(heads, spec.head_width, kind.eps)


def louder(spec: Block) -> float | None:
    """What queries are multiplied by, for scores that are not scaled by one over the root of the head's width."""
    scale, usual = spec.scores.scale, spec.head_width**-0.5
    return None if scale is None or scale == usual else scale / usual
