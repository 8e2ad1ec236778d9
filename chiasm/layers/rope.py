"""Rotary positions: one axis, M-RoPE's three, and the two axes of a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from chiasm.spec import Axial, DynamicNtk, LinearScaling, Llama3Scaling, LongRope, Plain, Rope, Scaling, StepNtk, Yarn


class Turn(NamedTuple):
    """How far each number of a head is turned at each position, in float32: [B, T, 1, F].

    The sines of a head's first half are negated, as its second half enters there with a minus. `louder` is what queries are
    multiplied by, [B, T, 1, 1], where their places say so.
    """

    cos: Tensor
    sin: Tensor
    louder: Tensor | None = None

    def to(self, dtype: torch.dtype) -> Turn:
        """The same in another type of numbers."""
        return Turn(self.cos.to(dtype), self.sin.to(dtype), None if self.louder is None else self.louder.to(dtype))


@lru_cache
@torch.inference_mode(False)
def frequencies(rope: Rope, head_width: int, length: int = 0) -> Tensor:
    """The angle that one step of position turns each pair of a head, in float32 on the CPU: [F / 2]; read only.

    `head_width` is the part of a head that is turned; `length` what `longest` says of the positions.
    """
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
        case LongRope(short, long, _, original):
            return 1.0 / (torch.tensor(long if length > original else short, device="cpu") * rope.theta**steps)
        case DynamicNtk(factor, original):
            grown = factor * max(length, original) / original - (factor - 1)
            return 1.0 / (rope.theta * grown ** (head_width / (head_width - 2))) ** steps
        case StepNtk(original):
            grown = 2 ** math.ceil(math.log(length / original, 2) + 1) - 1 if length > original else 1
            return 1.0 / (rope.theta * grown ** (head_width / (head_width - 2))) ** steps
        case Yarn(factor, original, fast, slow):
            fewest, most = (_turning(times, original, rope.theta, head_width) for times in (fast, slow))
            low, high = max(math.floor(fewest), 0), min(math.ceil(most), head_width - 1)
            divided = ((torch.arange(head_width // 2, device="cpu") - low) / max(high - low, 0.001)).clamp(0, 1)
            return plain / factor * divided + plain * (1 - divided)


def _turning(times: float, positions: int, theta: float, head_width: int) -> float:
    """The number of the frequency, a real one, that makes so many full turns in so many positions."""
    return head_width * math.log(positions / (times * 2 * math.pi)) / (2 * math.log(theta))


def longest(scaling: Scaling, where_ABT: Tensor) -> int:
    """The length that frequencies follow, where they follow one: the last of the positions that are read at once."""
    match scaling:
        case DynamicNtk(original=original):
            return max(int(where_ABT.max()) + 1, original)
        case LongRope(original=original):
            return original + int(int(where_ABT.max()) >= original)
        case _:
            return 0


def turn(rope: Rope, head_width: int, where_ABT: Tensor, prompt_B: Tensor | None = None) -> Turn:
    """The turns of every position. With several axes, each section of frequencies follows one (arXiv:2409.12191). `prompt_B`
    are the lengths of the rows' prompts, which some frequencies follow; none: all that is read now."""
    step = steps(rope, int(head_width * rope.share), where_ABT, prompt_B).to(where_ABT.device)
    if rope.sections:
        parts = step.split(rope.sections)
        angles = torch.cat([where_ABT[a % 3, ..., None].float() * part for a, part in enumerate(parts)], -1)
    else:
        angles = where_ABT[0, ..., None].float() * step
    by = _turn(angles[:, :, None])
    if rope.calm is not None:
        number_BT11 = (where_ABT[0, ..., None, None] + 1).float()
        return by._replace(louder=(number_BT11.log() / math.log(rope.calm)).clamp(min=1))
    match rope.scaling:
        case LongRope(attention=louder) | Yarn(attention=louder):
            return Turn(by.cos * louder, by.sin * louder)
        case _:
            return by


def steps(rope: Rope, width: int, where_ABT: Tensor, prompt_B: Tensor | None) -> Tensor:
    """The angles that one step of position turns each pair, [F / 2], or row by row, [B, 1, F / 2]."""
    match rope.scaling:
        case StepNtk(original):
            prompt_B = where_ABT[0].amax(-1) + 1 if prompt_B is None else prompt_B
            lengths = [max(length, original) for length in prompt_B.tolist()]
            return torch.stack([frequencies(rope, width, length) for length in lengths])[:, None]
        case scaling:
            return frequencies(rope, width, longest(scaling, where_ABT))


def still(by: Turn, extra: int, lengths: Sequence[int]) -> Turn:
    """Turns with `extra` tokens that do not turn before each of the packed sequences of those lengths."""

    def led(x: Tensor, value: float) -> Tensor:
        none = x.new_full((1, extra, *x.shape[2:]), value)
        return torch.cat([piece for part in x.split(list(lengths), 1) for piece in (none, part)], 1)

    return Turn(led(by.cos, 1.0), led(by.sin, 0.0))


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
    """Every pair (i, i + F/2) of each head turned by its angle; where fewer numbers turn, the rest of the head is kept."""
    turned = by.cos.shape[-1]
    if turned < x_BTNF.shape[-1]:
        return torch.cat([rotate(x_BTNF[..., :turned], by), x_BTNF[..., turned:]], -1)
    return torch.addcmul(x_BTNF * by.cos, x_BTNF.roll(x_BTNF.shape[-1] // 2, -1), by.sin)
