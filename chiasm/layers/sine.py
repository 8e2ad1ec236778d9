"""Places as sines and cosines of many lengths (arXiv:1706.03762)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def waves(turns: Tensor, width: int, temperature: float) -> Tensor:
    """`width` numbers for each of `turns`: sine and cosine by turns of ever longer waves, [..., width]. One whole turn is one
    wave of the shortest."""
    number = torch.arange(width, dtype=torch.float32, device=turns.device)
    lengths = temperature ** (2 * (number // 2) / width)
    angles = turns[..., None] * (2 * math.pi) / lengths
    return torch.stack([angles[..., 0::2].sin(), angles[..., 1::2].cos()], -1).flatten(-2)
