"""Encoders: packed patches in, features of the same cells out."""

from __future__ import annotations

from chiasm.spec import ByKind, ConvViT, Encoder, ViT
from chiasm.vision.by_kind import TwoTowers
from chiasm.vision.conv import ConvTransformer
from chiasm.vision.vit import VisionTransformer


def encoder(spec: Encoder) -> VisionTransformer | ConvTransformer | TwoTowers:
    """The modules that an encoder's spec describes."""
    match spec:
        case ViT():
            return VisionTransformer(spec)
        case ConvViT():
            return ConvTransformer(spec)
        case ByKind():
            return TwoTowers(spec)
