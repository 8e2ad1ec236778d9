"""Queries that read values by their keys, as masks, gradients and processors have it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Spans:
    """Packed sequences, one after the other in one row: each attends to itself alone."""

    lengths: tuple[int, ...]
    seen_T: Tensor | None = None
    """False at tokens that no other one looks at; none: everybody is seen."""


Mask = Tensor | Spans | Literal["full", "causal"]
"""What a query may see: a tensor [B or 1, 1, T, keys] (true = seen), its own span, everything, or what is not later. A tensor
of floats [B or 1, N or 1, T, keys] is added to the scores."""


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
    precision a CPU multiplies matrices then, where it had matrices and vectors, in a fifth of the time; a GPU's kernel with a
    mask knows no shared keys."""
    quicker = q_BNTF.dtype in (torch.bfloat16, torch.float16) or q_BNTF.is_cuda
    return quicker and q_BNTF.shape[2] == 1 and (seen is None or seen.shape[1] == 1)


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
