"""From the tokens of a picture to one vector."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClsProject:
    """The class token, normed, projected: without bias in CLIP, with one in a classifier."""

    width: int
    bias: bool = False


@dataclass(frozen=True)
class AttentionPool:
    """One learned query attends to all patches, then an MLP with residual (SigLIP, arXiv:2303.15343)."""

    mlp_width: int


@dataclass(frozen=True)
class First:
    """The class token as it leaves the encoder (DINOv2)."""


@dataclass(frozen=True)
class Tanh:
    """tanh of the class token through a linear layer (ViT)."""


@dataclass(frozen=True)
class MeanProject:
    """The mean of all tokens but the class token, projected without bias."""

    width: int


@dataclass(frozen=True)
class AddedPool:
    """One learned query attends to all tokens; what a gated MLP makes of its answer is added to every token, and the first
    one stands for the picture (Nomic Embed Vision, arXiv:2406.18587)."""

    mlp_width: int


@dataclass(frozen=True)
class GridPool:
    """The mean of a grid of `side` x `side` cells attends to them and itself, each at a learned place (CLIP's ResNets)."""

    width: int
    heads: int
    side: int


Pool = ClsProject | AttentionPool | First | Tanh | MeanProject | AddedPool | GridPool
