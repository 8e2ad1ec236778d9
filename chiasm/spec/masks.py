"""From features of a picture and from what points at it to masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chiasm.spec.block import Activation
from chiasm.spec.views import Pixels, Views
from chiasm.spec.windowed import WindowedViT


@dataclass(frozen=True)
class MaskDecoder:
    """SAM's prompts and its two-way decoder (arXiv:2304.02643), over features of `width` on a square of `side` cells a side.

    `depth` blocks of `heads` and an MLP of `mlp_width`, in which the prompts ask the picture and the picture the prompts; what
    asks across is `narrow` times narrower. Masks have four times the cells a side: one for a prompt that is clear, `several`
    for one that is not, each with an estimate of its quality by an MLP of `score_depth` layers of `score_width`. `eps` is that
    of the blocks' norms.
    """

    width: int
    side: int
    depth: int
    heads: int
    mlp_width: int
    narrow: int = 2
    several: int = 3
    score_depth: int = 3
    score_width: int = 256
    eps: float = 1e-6
    act: Activation = "relu"
    mask_channels: int = 16
    """Channels between a mask that is given as a prompt and the features that it is added to."""
    mask_eps: float = 1e-6
    mask_act: Activation = "gelu"


Masks = Literal["one", "several"]
"""How many masks a prompt is to have."""


@dataclass(frozen=True)
class Segment:
    """A model that outlines what is pointed at in a picture (arXiv:2304.02643)."""

    views: Views
    pixels: Pixels
    encoder: WindowedViT
    masks: MaskDecoder
