"""How what was seen meets the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from chiasm.spec.block import Block
from chiasm.spec.declares import Declares

_ALWAYS = "its gated blocks' MLPs run for text alone too, as the reference's do"


@dataclass(frozen=True)
class Splice:
    """Visual tokens take the places of placeholder ids in the sequence.

    `video`: the placeholder of clips; none: pictures' own. `time`: how many steps of the time axis one second of video takes
    (M-RoPE); none: one step a frame pair. `inside`: two ids between which every id is a placeholder, whatever it is (Qwen-VL
    writes a picture's address there). `named`, `named_video`: how the tokenizer calls these placeholders, where it alone knows
    their ids; `image` and `video` are then guesses until a tokenizer is there.
    """

    image: int
    video: int | None = None
    time: float | None = None
    inside: tuple[int, int] | None = None
    named: str | None = None
    named_video: str | None = None


@dataclass(frozen=True)
class Discrete(Splice):
    """As `Splice`, of pictures that are words: what takes the places are ids of the vocabulary, embedded as those of text.

    Code n of the encoder is the n-th id of the `runs` (first, how many), one run after the other; `ends` are the ids of codes
    -1, -2, ..., which close rows or frames.
    """

    runs: tuple[tuple[int, int], ...] = ()
    ends: tuple[int, ...] = ()


@dataclass(frozen=True)
class Alone:
    """A picture's visual tokens are a row by themselves, without a word of text: all that a target is written after."""


@dataclass(frozen=True)
class Nothing(Declares):
    """Attention gives nothing to text that sees no picture; the gated MLP runs all the same."""

    breaks: ClassVar[dict[str, str]] = {"text_alone_is_the_text_model": _ALWAYS}


@dataclass(frozen=True)
class Average(Declares):
    """Text that sees no picture gets the mean of all of its row's values; the gated MLP runs."""

    breaks: ClassVar[dict[str, str]] = {"text_alone_is_the_text_model": _ALWAYS}


@dataclass(frozen=True)
class Everything:
    """Text that sees no picture yet asks all of its row's, unused tiles too, while the gated MLP rests; without pictures the
    gated blocks are left out. In the reference every row of a batch has as many places for pictures as the fullest one, and
    such text asks the empty ones too; here a row is as it is alone, and only proofs fill rows up."""


@dataclass(frozen=True)
class Cross:
    """Text asks the pictures' tokens in gated blocks between its own (Flamingo, arXiv:2204.14198). The placeholder `image`
    stands once for each picture and is text itself.

    `before`: for each gated block, how many of the decoder's own run before it. `sees`: what a token may ask: the latest
    picture, those of the latest unbroken run of placeholders, or all so far. `blind` is for tokens that see none.
    """

    image: int
    block: Block
    before: tuple[int, ...]
    sees: Literal["latest", "run", "all"]
    blind: Nothing | Average | Everything
    gates: Literal["one", "channel"] = "one"
    """A gate is one number, or one for each channel."""
    forgets: int | None = None
    """After this id a token sees no picture until the next one."""


@dataclass(frozen=True)
class Expert:
    """As `Splice`, but visual tokens have projections and MLPs of their own in every block (arXiv:2311.03079). `qkv_bias`
    is for those. Of a run of visual tokens all but the first and the last share one position."""

    image: int
    qkv_bias: bool = False


@dataclass(frozen=True)
class AddByBox:
    """Each word takes up the patch in which the middle of its box lies; what patches no word took follow the words, with boxes
    of their own (UDOP, arXiv:2212.02623). One picture is one row's page. A box that is empty at a corner of the page, or all of
    it, takes nothing up, and its patch goes away all the same."""


Fusion = Splice | Alone | Cross | Expert | AddByBox

Way = Literal["splice", "cross", "expert"]
"""A fusion by name: visual tokens in the sequence; beside it, asked in gated blocks; in it, with weights of their own."""
