"""Models that write: a decoder that goes on with a text, or writes a target after a source; with sight, ones that see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chiasm.spec.clips import Frames
from chiasm.spec.connectors import Placed, Step
from chiasm.spec.encoders import Divided, Encoder, ViT
from chiasm.spec.fusions import Fusion
from chiasm.spec.heads import Head, MultiVector
from chiasm.spec.language import Decoder, EncoderDecoder
from chiasm.spec.marks import NO_MARKS, Marks
from chiasm.spec.regions import Regions
from chiasm.spec.views import Pixels, Views

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
