"""Encoders of pictures, and the places of their patches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chiasm.spec.block import Block
from chiasm.spec.codes import VQ
from chiasm.spec.positions import Axial, Position
from chiasm.spec.windowed import Coarsened, Swin, WindowedViT


@dataclass(frozen=True)
class Windows:
    """Attention inside squares of `side` patches, but over the whole grid in the blocks named `full`."""

    side: int
    full: tuple[int, ...]


@dataclass(frozen=True)
class Divided:
    """In each block a patch of a clip first attends to the same patch of the other frames, then to its own frame (divided
    space-time attention, TimeSformer, arXiv:2102.05095); up to `steps` frames are told apart by learned vectors."""

    steps: int


@dataclass(frozen=True)
class ViT:
    """A vision transformer (arXiv:2010.11929). Patches are `patch` x `patch` pixels and `frames` frames deep.

    `taps` are indices of hidden states as the field counts them: 0 is what enters the first block, -1 what leaves the last;
    several taps are joined by width. `post_norm`: absent, present but not applied to the taps, or applied.
    """

    block: Block
    depth: int
    patch: int
    position: Position
    frames: int = 1
    channels: int = 3
    stem_bias: bool = True
    cls: Literal["none", "drop", "keep"] = "none"
    pre_norm: bool = False
    post_norm: Literal["none", "idle", "applied"] = "none"
    taps: tuple[int, ...] = (-1,)
    windows: Windows | None = None
    registers: int = 0
    """Learned tokens without a place that follow the class token (arXiv:2309.16588); dropped and kept with it."""
    turn: Axial | None = None
    """Rotary positions beside those of a table; class token and registers do not turn."""
    mask_token: bool = False
    """A learned vector that stood for hidden patches in training; here it is carried and never used."""
    sees: Literal["frame", "clip"] | Divided = "frame"
    """What a patch of a clip attends to: its own step of time, all of them at once, or both by turns."""

    @property
    def extra(self) -> int:
        """Tokens before each grid's cells inside the encoder."""
        return 0 if self.cls == "none" else 1 + self.registers

    @property
    def width(self) -> int:
        return self.block.width * len(self.taps)


@dataclass(frozen=True)
class MergingViT:
    """A vision transformer that goes on with fewer tokens: after `after` of its blocks the cells of each window of `side` x
    `side` attend to one another and become one token, their mean and what a layer of `hidden` adds to it. None: it has the
    weights of that and does not use them, so that every cell stays (MiniCPM-V 4.6)."""

    eye: ViT
    after: int | None
    hidden: int
    side: int = 2

    @property
    def patch(self) -> int:
        return self.eye.patch

    @property
    def frames(self) -> int:
        return self.eye.frames

    @property
    def width(self) -> int:
        return self.eye.width

    @property
    def merged(self) -> int:
        """How many cells one token that leaves stands for, along each side."""
        return 1 if self.after is None else self.side


@dataclass(frozen=True)
class ConvViT:
    """A pyramid of dense 3x3 convolutions, then transformer blocks over one token per `patch` pixels.

    `widths` are channels at strides 4, 8 and 16, `convs` residual blocks (two convolutions each) at strides 8 and 16; the
    learned places are a square of `side`. `gives` are the features that leave, joined by width: what the transformer made of
    a token's square, and the maps at stride 8 inside it, where small print is sharpest.
    """

    widths: tuple[int, int, int]
    convs: tuple[int, int]
    block: Block
    depth: int
    side: int
    patch: int = 32
    frames: int = 1
    gives: tuple[Literal["tokens", "local"], ...] = ("tokens",)

    @property
    def width(self) -> int:
        widths = {"tokens": self.block.width, "local": self.widths[1] * (self.patch // 8) ** 2}
        return sum(widths[part] for part in self.gives)


@dataclass(frozen=True)
class ResNet:
    """CLIP's residual network (arXiv:2103.00020): `stem` channels at stride 4, then stages of `blocks` bottlenecks, each
    stage but the first twice as wide at twice the stride."""

    stem: int
    blocks: tuple[int, int, int, int]
    patch: int = 32
    frames: int = 1

    @property
    def width(self) -> int:
        return self.stem * 32


@dataclass(frozen=True)
class ByKind:
    """Pictures through one tower, clips through another one of the same patches and width (Video-LLaVA, arXiv:2311.10122)."""

    pictures: ViT
    clips: ViT

    @property
    def patch(self) -> int:
        return self.pictures.patch

    @property
    def frames(self) -> int:
        return self.pictures.frames

    @property
    def width(self) -> int:
        return self.pictures.width


@dataclass(frozen=True)
class Both:
    """Two views of each picture, one for each of two encoders of as many cells; their features are joined by width, those of
    the high resolution first (DeepSeek-VL, arXiv:2403.05525)."""

    low: ViT
    high: Coarsened
    frames: int = 1

    @property
    def patch(self) -> int:
        return self.low.patch

    @property
    def width(self) -> int:
        return self.high.width + self.low.width


@dataclass(frozen=True)
class TiledViT:
    """Llama 3.2 Vision's encoder (arXiv:2407.21783): a picture is a canvas of up to `most` tiles of `side` patches a side,
    whose tokens see one another. `depth` plain blocks, then `wide` gated ones; unused tiles are there as zeros.

    `taps` count what leaves the plain blocks from 0; they follow the last state in width, their layers fastest.
    """

    block: Block
    depth: int
    wide: int
    patch: int
    side: int
    most: int
    taps: tuple[int, ...]
    channels: int = 3
    frames: int = 1

    @property
    def extra(self) -> int:
        """The class token of each tile."""
        return 1

    @property
    def width(self) -> int:
        return self.block.width * (1 + len(self.taps))


@dataclass(frozen=True)
class Precomputed:
    """Another folder's encoder: what is handed over as patches are its features of `width` numbers already."""

    width: int
    patch: int = 14
    frames: int = 1


@dataclass(frozen=True)
class Flat:
    """No encoder: a patch's pixels go on as they are (Fuyu)."""

    patch: int
    frames: int = 1

    @property
    def width(self) -> int:
        return 3 * self.frames * self.patch**2


Encoder = ViT | MergingViT | ConvViT | ResNet | ByKind | Both | WindowedViT | TiledViT | Precomputed | Flat | VQ | Swin
