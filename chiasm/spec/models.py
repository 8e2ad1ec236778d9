"""Whole models: those that write, those that compare, find or draw, and parts by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from chiasm.spec.connectors import Step
from chiasm.spec.detector import Detector, Phrases
from chiasm.spec.encoders import Encoder, ViT
from chiasm.spec.language import Bidirectional, TextTower
from chiasm.spec.masks import Segment
from chiasm.spec.pages import EncodePage
from chiasm.spec.pools import ClsProject, Pool
from chiasm.spec.queries import QFormer
from chiasm.spec.signals import Signal
from chiasm.spec.views import Pixels, Views
from chiasm.spec.volumes import EncodeVolume
from chiasm.spec.windowed import Swin
from chiasm.spec.writers import Causal, Seq2Seq


class Looks(Protocol):
    """Whatever turns pictures into patches: the seeing half of a writing model, or a model that compares."""

    @property
    def views(self) -> Views: ...
    @property
    def pixels(self) -> Pixels: ...
    @property
    def encoder(self) -> Encoder: ...


@dataclass(frozen=True)
class Match:
    """Two towers in one space. `logits`: scaled cosine, with a learned bias for the sigmoid loss."""

    views: Views
    pixels: Pixels
    encoder: Encoder
    pool: Pool
    text: TextTower
    logits: Literal["softmax", "sigmoid"]


@dataclass(frozen=True)
class QueryMatch:
    """Pictures as one vector for each query of a Q-Former, texts as one by the same blocks, and a judge that reads both at once
    (BLIP-2's first stage, arXiv:2301.12597). The best of a picture's vectors is compared."""

    views: Views
    pixels: Pixels
    encoder: ViT
    queries: QFormer
    project: int


@dataclass(frozen=True)
class Encode:
    """An encoder by itself: features of a picture's cells, and one vector a picture."""

    views: Views
    pixels: Pixels
    encoder: Encoder
    pool: Pool


@dataclass(frozen=True)
class Bind:
    """Pictures, texts and signals in one space (arXiv:2305.05665); all vectors but the pictures' are scaled."""

    views: Views
    pixels: Pixels
    encoder: ViT
    pool: ClsProject
    text: TextTower
    signals: tuple[Signal, ...]


@dataclass(frozen=True)
class See:
    """The seeing half by itself: from pictures and clips to visual tokens."""

    views: Views
    pixels: Pixels
    encoder: Encoder
    connector: tuple[Step, ...]


@dataclass(frozen=True)
class Connect:
    """A connector by itself: features of views of `cells` (rows, columns; none: any square), `width` wide, to visual tokens."""

    width: int
    cells: tuple[int, int] | None
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class CodedMasks:
    """What draws a mask from a square of codes, each one of `codes` vectors of `code_width` (PaliGemma's segments)."""

    codes: int
    code_width: int
    width: int


@dataclass(frozen=True)
class EncodeText:
    """A text encoder by itself: a state for each token, and where it says how the `vector` of a text: the mean of its tokens'
    states, brought to mean 0 and spread 1."""

    text: Bidirectional
    vector: Literal["none", "normed mean"] = "none"


@dataclass(frozen=True)
class Find:
    """Boxes in a picture for the phrases of a text."""

    views: Views
    pixels: Pixels
    encoder: Swin
    text: Bidirectional
    phrases: Phrases
    detector: Detector


Model = (
    Causal
    | Match
    | QueryMatch
    | Encode
    | Bind
    | EncodeText
    | EncodePage
    | Seq2Seq
    | Segment
    | Connect
    | See
    | EncodeVolume
    | CodedMasks
    | Find
)
