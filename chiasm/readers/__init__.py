"""Readers of fields that several families share: transformer blocks, rotary positions, pixels, and their usual keys.

Data vocabulary like `spec` and `layout`: families import these three and nothing else.
"""

from __future__ import annotations

from chiasm.readers.blocks import decoder, sliding_window, vit_block
from chiasm.readers.keys import DECODER_KEYS, TEXT_KEYS, VIT_KEYS, head_keys
from chiasm.readers.pictures import (
    CLIP_MEAN,
    CLIP_STD,
    HALF,
    RESAMPLE,
    crop_resize,
    edges,
    frame_crop,
    letterbox,
    pixels,
    squash,
    taken,
    triple,
)
from chiasm.readers.rotary import longrope_louder, rope, yarn_louder

__all__ = [
    "CLIP_MEAN",
    "CLIP_STD",
    "DECODER_KEYS",
    "HALF",
    "RESAMPLE",
    "TEXT_KEYS",
    "VIT_KEYS",
    "crop_resize",
    "decoder",
    "edges",
    "frame_crop",
    "head_keys",
    "letterbox",
    "longrope_louder",
    "pixels",
    "rope",
    "sliding_window",
    "squash",
    "taken",
    "triple",
    "vit_block",
    "yarn_louder",
]
