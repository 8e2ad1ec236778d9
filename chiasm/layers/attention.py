"""Multi-head attention with shared keys, rotary positions, a cache, or spans that only see themselves."""

from __future__ import annotations

from ctypes import CDLL
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.layers import cpu
from chiasm.layers.cache import KVCache
from chiasm.layers.linear import Preparable, added, packs, product
from chiasm.layers.norm import HeadsNorm, norm
from chiasm.layers.rope import Turn, rotate
from chiasm.spec import Block, Norm


@dataclass(frozen=True)
class Spans:
    """Packed sequences, one after the other in one row: each attends to itself alone."""

    lengths: tuple[int, ...]
    seen_T: Tensor | None = None
    """False at tokens that no other one looks at; none: everybody is seen."""


Mask = Tensor | Spans | Literal["full", "causal"]
"""What a query may see: a tensor [B or 1, 1, T, keys] (true = seen), its own span, everything, or what is not later. A tensor
of floats [B or 1, N or 1, T, keys] is added to the scores."""


Wanted = Literal["all", "last"]
"""Whose hidden states are asked for: every position's, or the last one's alone, as when a prompt is read."""


@dataclass(frozen=True)
class Slot:
    """One layer's place in a cache."""

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


def attend(q_BNTF: Tensor, k_BNTF: Tensor, v_BNTF: Tensor, mask: Mask) -> Tensor:
    """Attention of queries to keys under a mask; [B, N, T, F]. Fewer key heads than query heads are shared in order."""
    if isinstance(mask, Spans):
        return _attend_spans(q_BNTF, k_BNTF, v_BNTF, mask)
    if q_BNTF.requires_grad and q_BNTF.device.type == "cpu" and isinstance(mask, Tensor) and mask.dtype == torch.bool:
        return _products(q_BNTF, k_BNTF, v_BNTF, mask)
    causal = mask == "causal" if isinstance(mask, str) else False
    if causal and BAND < q_BNTF.shape[2] <= WHOLE and q_BNTF.device.type == "cpu" and not torch.is_grad_enabled():
        return _attend_in_bands(q_BNTF, k_BNTF, v_BNTF)
    seen = mask if isinstance(mask, Tensor) else None
    shared = q_BNTF.shape[1] != k_BNTF.shape[1]
    if shared and _groups(q_BNTF, seen):
        grouped = q_BNTF.reshape(len(q_BNTF), k_BNTF.shape[1], -1, q_BNTF.shape[-1])
        return F.scaled_dot_product_attention(grouped, k_BNTF, v_BNTF, attn_mask=seen).reshape(q_BNTF.shape)
    return F.scaled_dot_product_attention(
        q_BNTF, k_BNTF, v_BNTF, attn_mask=seen, is_causal=causal and q_BNTF.shape[2] > 1, enable_gqa=shared
    )


def _groups(q_BNTF: Tensor, seen: Tensor | None) -> bool:
    """Whether heads that share keys are better taken as so many queries of one head: where each has a single query. In half
    precision a CPU multiplies matrices then, where it had matrices and vectors, in a fifth of the time."""
    half = q_BNTF.dtype in (torch.bfloat16, torch.float16) and q_BNTF.device.type == "cpu"
    return half and q_BNTF.shape[2] == 1 and (seen is None or seen.shape[1] == 1)


def _products(q_BNTF: Tensor, k_BNTF: Tensor, v_BNTF: Tensor, mask: Tensor) -> Tensor:
    """Attention as plain products, for training on a CPU: there the fused kernel's backward takes several times theirs.

    The heads that share keys are as many queries of one shared head, so that nothing is copied.
    """
    shared, queries = k_BNTF.shape[1], q_BNTF.shape[2]
    grouped = q_BNTF.unflatten(1, (shared, -1)).flatten(2, 3)
    scores = (grouped * q_BNTF.shape[-1] ** -0.5) @ k_BNTF.transpose(-1, -2)
    scores = scores.unflatten(2, (-1, queries)).masked_fill(~mask[:, :, None], float("-inf"))
    mixed = scores.softmax(-1, torch.float32).to(v_BNTF.dtype).flatten(2, 3) @ v_BNTF
    return mixed.unflatten(2, (-1, queries)).flatten(1, 2)


def bent(q_BNTF: Tensor, k_BNTF: Tensor, v_BNTF: Tensor, mask: Mask, cap: float) -> Tensor:
    """Attention whose scores are bent into (-cap, cap) by tanh before the mask, as plain products; [B, N, T, F].

    Raises `TypeError` for spans, which no model with a cap has.
    """
    if isinstance(mask, Spans):
        raise TypeError("scores with a cap among packed spans")
    shared, queries, keys = k_BNTF.shape[1], q_BNTF.shape[2], k_BNTF.shape[2]
    grouped = (q_BNTF * q_BNTF.shape[-1] ** -0.5).unflatten(1, (shared, -1))
    scores = (grouped @ k_BNTF.transpose(-1, -2)[:, :, None]).div(cap).tanh().mul(cap)
    if isinstance(mask, Tensor):
        scores = scores.masked_fill(~mask[:, :, None], float("-inf"))
    elif mask == "causal" and queries > 1:
        later = torch.ones(queries, keys, dtype=torch.bool, device=scores.device).triu(keys - queries + 1)
        scores = scores.masked_fill(later, float("-inf"))
    mixed = scores.softmax(-1, torch.float32).to(v_BNTF.dtype) @ v_BNTF[:, :, None]
    return mixed.flatten(1, 2)


def attend_beside(q_BNTF: Tensor, k_BNTF: Tensor, v_BNTF: Tensor, mask: Mask, key_N1F: Tensor, value_N1F: Tensor) -> Tensor:
    """As `attend`, each query seeing one more key and value; for whole sequences and spans."""
    lengths = mask.lengths if isinstance(mask, Spans) else (q_BNTF.shape[2],)
    parts = zip(*(x.split(lengths, 2) for x in (q_BNTF, k_BNTF, v_BNTF)), strict=True)
    extra = [x.expand(len(q_BNTF), -1, -1, -1) for x in (key_N1F, value_N1F)]
    seen = ((q, torch.cat([k, extra[0]], 2), torch.cat([v, extra[1]], 2)) for q, k, v in parts)
    return torch.cat([F.scaled_dot_product_attention(q, k, v) for q, k, v in seen], 2)


BAND, WHOLE = 128, 512
"""Queries in a band, and up to how many a CPU's kernel computes with every key: beyond, it skips the future itself."""


def _attend_in_bands(q_BNTF: Tensor, k_BNTF: Tensor, v_BNTF: Tensor) -> Tensor:
    """Causal attention, band by band of queries: none computes with keys that are later than all of its queries."""
    edge, length, shared = _edge(q_BNTF.dtype), q_BNTF.shape[2], q_BNTF.shape[1] != k_BNTF.shape[1]
    bands = []
    for start in range(0, length, BAND):
        end = min(start + BAND, length)
        seen = edge[: end - start, WHOLE - start : WHOLE + end - start]
        q, k, v = q_BNTF[:, :, start:end], k_BNTF[:, :, :end], v_BNTF[:, :, :end]
        bands.append(F.scaled_dot_product_attention(q, k, v, attn_mask=seen, enable_gqa=shared).transpose(1, 2))
    return torch.cat(bands, 1).transpose(1, 2)


@lru_cache
@torch.inference_mode(False)
def _edge(dtype: torch.dtype) -> Tensor:
    """What is added to a band's scores: nothing for keys before the band, minus infinity for what is later inside it."""
    later = torch.full((BAND, BAND), float("-inf"), dtype=dtype, device="cpu").triu(1)
    return torch.cat([torch.zeros(BAND, WHOLE, dtype=dtype, device="cpu"), later], 1)


def _seen(keys_T: Tensor) -> Tensor:
    """The mask of a span; where nothing of it is seen, everything is, since no row of the attention may be empty."""
    return (keys_T if bool(keys_T.any()) else ~keys_T)[None, None, None].expand(1, 1, len(keys_T), -1)


def _attend_spans(q_BNTF: Tensor, k_BNTF: Tensor, v_BNTF: Tensor, spans: Spans) -> Tensor:
    lengths = spans.lengths
    if spans.seen_T is not None:
        split = zip(*(x.split(lengths, 2) for x in (q_BNTF, k_BNTF, v_BNTF)), spans.seen_T.split(lengths), strict=True)
        return torch.cat([F.scaled_dot_product_attention(q, k, v, _seen(seen)) for q, k, v, seen in split], 2)
    if len(set(lengths)) == 1:
        q, k, v = (x[0].unflatten(1, (len(lengths), -1)).transpose(0, 1) for x in (q_BNTF, k_BNTF, v_BNTF))
        return F.scaled_dot_product_attention(q, k, v).transpose(0, 1).flatten(1, 2)[None]
    parts = zip(*(x.split(lengths, 2) for x in (q_BNTF, k_BNTF, v_BNTF)), strict=True)
    return torch.cat([F.scaled_dot_product_attention(q, k, v) for q, k, v in parts], 2)
