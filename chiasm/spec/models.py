"""Whole models: what sees, what reads and writes, and how they meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from chiasm.spec.clips import Frames
from chiasm.spec.connectors import Placed, QFormer, Step
from chiasm.spec.detector import Detector, Phrases
from chiasm.spec.encoders import Divided, Encoder, Swin, ViT
from chiasm.spec.fusions import Fusion
from chiasm.spec.heads import Head, MultiVector
from chiasm.spec.language import Bidirectional, Decoder, EncoderDecoder, TextTower
from chiasm.spec.marks import NO_MARKS, Marks
from chiasm.spec.masks import Segment
from chiasm.spec.pages import EncodePage
from chiasm.spec.pools import ClsProject, Pool
from chiasm.spec.regions import Regions
from chiasm.spec.signals import Signal
from chiasm.spec.views import Pixels, Views
from chiasm.spec.volumes import EncodeVolume


class Looks(Protocol):
    """Whatever turns pictures into patches: the seeing half of a writing model, or a model that compares."""

    @property
    def views(self) -> Views: ...
    @property
    def pixels(self) -> Pixels: ...
    @property
    def encoder(self) -> Encoder: ...


BoxDialect = Literal["locations", "corners", "cells"]
"""How boxes are written: PaliGemma's thousandths in tokens, Qwen-VL's corners in figures, Kosmos-2's cells in tokens."""


@dataclass(frozen=True)
class Causal:
    """A decoder that writes text; with `sight`, one that sees.

    `prompt` is what a position of the prompt sees of it: nothing later, or all (prefix-LM, arXiv:1910.10683); what is
    written after it sees nothing later in either. A `head` reads its states, in place of the vocabulary's or beside it.
    `boxes` is how it speaks of places in its picture, where it does; `regions` how a text points at some.
    """

    decoder: Decoder
    sight: Sight | None = None
    prompt: Literal["causal", "full"] = "causal"
    head: Head | None = None
    boxes: BoxDialect | None = None
    regions: Regions | None = None

    @property
    def vocab(self) -> int:
        return self.decoder.ids

    @property
    def writes(self) -> bool:
        """Whether it goes on with a text."""
        return not isinstance(self.head, MultiVector)

    @property
    def axes(self) -> int:
        """How many numbers say where a token stands."""
        return self.decoder.rope.axes

    @property
    def first(self) -> int:
        """Where a row begins to count its places."""
        return self.decoder.rope.first

    @property
    def context(self) -> int | None:
        """How many tokens a row may have, with what is written after it."""
        return self.decoder.context


@dataclass(frozen=True)
class Carried:
    """Tensors of published files that belong to another path than the one that is computed, such as the drawing of pictures:
    by name and shape, kept and counted, read by nothing. `measured` are statistics, which were not learned."""

    learned: tuple[tuple[str, tuple[int, ...]], ...]
    measured: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True)
class Sight:
    """The seeing half: from pixels to visual tokens of the decoder's width, and where they go. `clips`: how it sees those;
    none: not at all."""

    views: Views
    pixels: Pixels
    encoder: Encoder
    connector: tuple[Step, ...]
    fusion: Fusion
    marks: Marks = NO_MARKS
    carried: Carried | None = None
    clips: Frames | None = None

    @property
    def tells_frames(self) -> int | None:
        """Up to how many frames of a clip its encoder and its connector know apart; none: they know of none."""
        told = [step.steps for step in self.connector if isinstance(step, Placed) and step.steps]
        if isinstance(self.encoder, ViT) and isinstance(self.encoder.sees, Divided):
            told.append(self.encoder.sees.steps)
        return min(told, default=None)


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
    """A text encoder by itself: a state for each token."""

    text: Bidirectional


@dataclass(frozen=True)
class Seq2Seq:
    """A model that writes a target after reading a source; with `sight`, pictures stand in the source, or are all of it."""

    language: EncoderDecoder
    sight: Sight | None = None

    @property
    def vocab(self) -> int:
        return self.language.vocab

    @property
    def axes(self) -> int:
        """How many numbers say where a token stands."""
        return 1

    @property
    def first(self) -> int:
        """Where a source begins to count its places."""
        return 0

    @property
    def context(self) -> int | None:
        """How many tokens a target may have; none: as many as one likes."""
        return self.language.context


Writer = Causal | Seq2Seq
"""A model that goes on with a text, or writes one after it."""


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
