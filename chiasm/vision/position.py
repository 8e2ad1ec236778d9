"""Learned position tables on grids of other shapes than the one they were trained on."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from chiasm.spec import Buckets

Resample = Literal["bicubic", "bicubic_smooth", "bilinear_smooth", "ratio"]


def resized(table: Tensor, side: int, height: int, width: int, resample: Resample = "bicubic") -> Tensor:
    """A `side` x `side` table [cells, E] as `height` x `width` cells, computed in float32; `resample` as in `spec.Table`."""
    if (height, width) == (side, side):
        return table
    square = table.float().unflatten(0, (side, side)).permute(2, 0, 1)[None]
    match resample:
        case "bicubic":
            stretched = F.interpolate(square, (height, width), mode="bicubic")
        case "bicubic_smooth":
            stretched = F.interpolate(square, (height, width), mode="bicubic", antialias=True)
        case "bilinear_smooth":
            stretched = F.interpolate(square, (height, width), mode="bilinear", antialias=True)
        case "ratio":
            stretched = F.interpolate(square, scale_factor=math.sqrt(height * width / side**2), mode="bicubic")
    return stretched[0].flatten(1).T.to(table.dtype)


def bucketed(spec: Buckets, height: int, width: int) -> Tensor:
    """The cell of a square table for each of `height` x `width` patches, by fractional position (arXiv:2307.06304).

    Float32 in the reference's own order of operations: the borders of buckets and the fractions are rounded numbers, and a
    patch may fall to the left of a border that it equals on paper.
    """
    side = spec.side
    borders = torch.arange(1 / side, 1.0, 1 / side)

    def buckets(count: int) -> Tensor:
        match spec.fractions:
            case "of_a_rounded_step":
                fractions = torch.arange(count, dtype=torch.float32) * (1.0 / torch.tensor(count))
            case "rounded":
                fractions = torch.arange(0, 1 - 1e-6, 1 / count, dtype=torch.float32)
            case "divided":
                fractions = torch.arange(count) / count
        return torch.bucketize(fractions.clamp(max=1.0 - 1e-6), borders, right=True)

    return (buckets(height)[:, None] * side + buckets(width)[None]).flatten()
