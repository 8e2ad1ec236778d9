"""What outlines are trained on beside words: every pixel by itself, and the overlap as a whole (LISA, arXiv:2308.00692)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

DICE_SCALE, DICE_EPS = 1000.0, 1e-6
"""Sums over masks are divided by the first before the second keeps empty ones from dividing by nothing."""


@dataclass(frozen=True)
class Weights:
    """What each part of the loss counts."""

    words: float = 1.0
    bce: float = 2.0
    dice: float = 0.5


def cross_entropies(logits_RHW: Tensor, wanted_RHW: Tensor) -> Tensor:
    """The mean over each mask's pixels, [R]."""
    return F.binary_cross_entropy_with_logits(logits_RHW, wanted_RHW, reduction="none").flatten(1).mean(1)


def dice(logits_RHW: Tensor, wanted_RHW: Tensor) -> Tensor:
    """One minus twice what both share over what they are together, [R] (arXiv:1606.04797)."""
    likely, wanted = logits_RHW.sigmoid().flatten(1) / DICE_SCALE, wanted_RHW.flatten(1)
    shared, both = (likely * wanted).sum(1), likely.sum(1) + (wanted / DICE_SCALE).sum(1)
    return 1 - (2 * shared + DICE_EPS) / (both + DICE_EPS)


def outline_losses(logits: Sequence[Tensor], wanted: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Both, over all masks of all pictures, each mask counting alike; [R, H, W] of each picture. No mask costs nothing."""
    count = sum(len(masks) for masks in wanted)
    pairs = list(zip(logits, wanted, strict=True))
    bce = sum((cross_entropies(got, want).sum() for got, want in pairs), logits[0].new_zeros(()))
    overlap = sum((dice(got, want).sum() for got, want in pairs), logits[0].new_zeros(()))
    return bce / max(count, 1), overlap / max(count, 1)


def loss(weights: Weights, words: Tensor, bce: Tensor, overlap: Tensor) -> Tensor:
    """All three together."""
    return weights.words * words + weights.bce * bce + weights.dice * overlap
