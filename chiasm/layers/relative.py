"""Positions as numbers that distances add to the scores (T5, arXiv:1910.10683)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from chiasm.spec import Relative


class RelativeBias(nn.Embedding):
    """A learned number per head and bucket of distances. `both_ways`: half of the buckets are for keys that come later."""

    def __init__(self, spec: Relative, heads: int, *, both_ways: bool) -> None:
        super().__init__(spec.buckets, heads)
        self.spec, self.both_ways = spec, both_ways

    def between(self, queries_T: Tensor, keys_T: Tensor) -> Tensor:
        """What is added to the scores of queries at these places with keys at those: [1, heads, queries, keys]."""
        buckets_TT = self.buckets(keys_T[None] - queries_T[:, None])
        bias: Tensor = self(buckets_TT).permute(2, 0, 1)[None]
        return bias

    def among(self, places_BT: Tensor) -> Tensor:
        """What is added to the scores of tokens at these places with one another: [B, heads, T, T]."""
        return self.apart(places_BT[:, None] - places_BT[:, :, None])

    def apart(self, ahead_BTT: Tensor) -> Tensor:
        """What is added to the scores of keys so far ahead of their queries: [B, heads, T, T]."""
        bias: Tensor = self(self.buckets(ahead_BTT)).permute(0, 3, 1, 2)
        return bias

    def buckets(self, ahead: Tensor) -> Tensor:
        """The bucket of each distance of a key ahead of its query; in float32 throughout, as its edges are rounded there."""
        count, first = self.spec.buckets, torch.zeros_like(ahead)
        if self.both_ways:
            count //= 2
            first, distance = (ahead > 0) * count, ahead.abs()
        else:
            distance = (-ahead).clamp(min=0)
        single = count // 2
        wide = torch.log(distance.clamp(min=1).float() / single) / math.log(self.spec.furthest / single) * (count - single)
        return first + torch.where(distance < single, distance, (single + wide.long()).clamp(max=count - 1))
