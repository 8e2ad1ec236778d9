"""Contrastive decoding against a distorted picture (VCD, arXiv:2311.16922): what a model says anyway counts less."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chiasm.generate.sampling import Contrast

STEPS, FIRST, LAST = 1000, 1e-5, 5e-3
"""Of the diffusion whose noise distorts a picture: its steps, and the noise that the first and the last add."""


def distorted(patches_PK: Tensor, how: Contrast) -> Tensor:
    """Normalised pixels after `how.step` steps of diffusion; the same noise each time."""
    rising = torch.linspace(-6, 6, STEPS, dtype=torch.float64).sigmoid() * (LAST - FIRST) + FIRST
    kept = float((1 - rising)[: how.step].prod())
    noise = torch.randn(patches_PK.shape, generator=torch.Generator().manual_seed(how.seed)).to(patches_PK)
    return math.sqrt(kept) * patches_PK + math.sqrt(1 - kept) * noise


def contrasted(logits_BS: Tensor, distorted_BS: Tensor, how: Contrast) -> Tensor:
    """Logits moved away from those of the distorted picture, among tokens of at least `how.beta` of the best one's
    probability."""
    plain_BS = logits_BS.float()
    moved_BS = (1 + how.alpha) * plain_BS - how.alpha * distorted_BS.float()
    if how.beta == 0:
        return moved_BS
    least_B1 = plain_BS.amax(-1, keepdim=True) + math.log(how.beta)
    return moved_BS.masked_fill(plain_BS < least_B1, float("-inf"))
