"""Rotary positions: one axis, M-RoPE's three, and the two axes of a picture."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from chiasm.spec import Axial, LinearScaling, Llama3Scaling, Plain, Rope


class Turn(NamedTuple):
    """How far each number of a head is turned at each position, in float32: [B, T, 1, F].

    The sines of a head's first half are negated, as its second half enters there with a minus.
    """

    cos: Tensor
    sin: Tensor

    def to(self, dtype: torch.dtype) -> Turn:
        return Turn(self.cos.to(dtype), self.sin.to(dtype))


@lru_cache
@torch.inference_mode(False)
def frequencies(rope: Rope, head_width: int) -> Tensor:
    """The angle that one step of position turns each pair of a head, in float32 on the CPU: [F / 2]; read only."""
    steps = torch.arange(0, head_width, 2, dtype=torch.float32, device="cpu") / head_width
    plain = 1.0 / rope.theta**steps
    match rope.scaling:
        case Plain():
            return plain
        case LinearScaling(factor):
            return plain / factor
        case Llama3Scaling(factor, low, high, original):
            wavelength = 2 * math.pi / plain
            blend = ((original / wavelength - low) / (high - low)).clamp(0, 1)
            return torch.where(
                wavelength < original / high,
                plain,
                torch.where(wavelength > original / low, plain / factor, (1 - blend) * plain / factor + blend * plain),
            )


def turn(rope: Rope, head_width: int, where_ABT: Tensor) -> Turn:
    """The turns of every position. With several axes, each section of frequencies follows one (arXiv:2409.12191)."""
    step = frequencies(rope, head_width).to(where_ABT.device)
    if rope.sections:
        parts = step.split(rope.sections)
        angles = torch.cat([where_ABT[a % 3, ..., None].float() * part for a, part in enumerate(parts)], -1)
    else:
        angles = where_ABT[0, ..., None].float() * step
    return _turn(angles[:, :, None])


def axial_turn(axial: Axial, head_width: int, where_P2: Tensor) -> Turn:
    """The turns of packed patches at (row, column): the first half of the frequencies by row, the second by column."""
    powers = torch.arange(0, head_width, 2, dtype=torch.float32) / head_width
    step = 1.0 / axial.theta**powers
    both = torch.stack([step[0::2], step[0::2] if axial.columns == "same" else step[1::2]])
    angles = (where_P2[..., None].float() * both.to(where_P2.device)).flatten(1)
    return _turn(angles[None, :, None])


def _turn(angles: Tensor) -> Turn:
    cos, sin = angles.cos(), angles.sin()
    return Turn(torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1))


def rotate(x_BTNF: Tensor, by: Turn) -> Tensor:
    """Every pair (i, i + F/2) of each head turned by its angle."""
    return torch.addcmul(x_BTNF * by.cos, x_BTNF.roll(x_BTNF.shape[-1] // 2, -1), by.sin)
