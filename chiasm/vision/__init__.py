"""Encoders: packed patches in, features of the same cells out."""

from __future__ import annotations

from chiasm.spec import (
    VQ,
    Both,
    ByKind,
    ConvViT,
    Encoder,
    Flat,
    MergingViT,
    Precomputed,
    ResNet,
    Swin,
    TiledViT,
    ViT,
    WindowedViT,
)
from chiasm.vision.both import LowAndHigh
from chiasm.vision.by_kind import TwoTowers
from chiasm.vision.conv import ConvTransformer
from chiasm.vision.flat import FlatPatches
from chiasm.vision.merging import MergingTransformer
from chiasm.vision.precomputed import Features
from chiasm.vision.resnet import ResidualNetwork
from chiasm.vision.swin import SwinTransformer
from chiasm.vision.tiled import TiledTransformer
from chiasm.vision.vit import VisionTransformer
from chiasm.vision.vq import PictureTokenizer
from chiasm.vision.windowed import WindowedTransformer

Seeing = (
    VisionTransformer
    | MergingTransformer
    | ConvTransformer
    | ResidualNetwork
    | TwoTowers
    | LowAndHigh
    | Features
    | WindowedTransformer
    | FlatPatches
    | TiledTransformer
    | PictureTokenizer
    | SwinTransformer
)


def encoder(spec: Encoder) -> Seeing:
    """The modules that an encoder's spec describes."""
    match spec:
        case ViT():
            return VisionTransformer(spec)
        case MergingViT():
            return MergingTransformer(spec)
        case ConvViT():
            return ConvTransformer(spec)
        case ResNet():
            return ResidualNetwork(spec)
        case ByKind():
            return TwoTowers(spec)
        case Precomputed():
            return Features(spec)
        case Both():
            return LowAndHigh(spec)
        case WindowedViT():
            return WindowedTransformer(spec)
        case Flat():
            return FlatPatches(spec)
        case TiledViT():
            return TiledTransformer(spec)
        case VQ():
            return PictureTokenizer(spec)
        case Swin():
            return SwinTransformer(spec)
