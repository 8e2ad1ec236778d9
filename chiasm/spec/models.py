"""Whole models: what sees, what reads and writes, and how they meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from chiasm.spec.block import Block
from chiasm.spec.connectors import QFormer, Step
from chiasm.spec.detector import Detector, Phrases
from chiasm.spec.encoders import Encoder, Swin, ViT
from chiasm.spec.heads import Head, MultiVector
from chiasm.spec.language import Bidirectional, Declares, Decoder, EncoderDecoder, TextTower
from chiasm.spec.masks import Segment
from chiasm.spec.pages import EncodePage
from chiasm.spec.pools import ClsProject, Pool
from chiasm.spec.views import Pixels, Views
from chiasm.spec.volumes import EncodeVolume

_ALWAYS = "its gated blocks' MLPs run for text alone too, as the reference's do"


@dataclass(frozen=True)
class Splice:
    """Visual tokens take the places of placeholder ids in the sequence.

    `video`: the placeholder of clips; none: pictures' own. `time`: how many steps of the time axis one second of video takes
    (M-RoPE); none: one step a frame pair. `inside`: two ids between which every id is a placeholder, whatever it is (Qwen-VL
    writes a picture's address there). `named`: how the tokenizer calls the pictures' placeholder, where it alone knows its id;
    `image` is then a guess until a tokenizer is there.
    """

    image: int
    video: int | None = None
    time: float | None = None
    inside: tuple[int, int] | None = None
    named: str | None = None


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


@dataclass(frozen=True)
class Bare:
    """One placeholder becomes as many as the picture has visual tokens."""


@dataclass(frozen=True)
class RowColumn:
    """Idefics3's marks: every tile led by `edge` and its row and column, a line feed after each row of tiles, the global view
    led by `whole`, one `edge` at the end."""

    edge: str
    tile: str
    whole: str


@dataclass(frozen=True)
class Around:
    """One mark before all of a picture's visual tokens and one after (InternVL)."""

    before: str
    after: str


@dataclass(frozen=True)
class Ahead:
    """No marks, and no place in the text: the visual tokens of a row's pictures stand before all of it, before the id that
    begins a sequence too (BLIP-2, arXiv:2301.12597)."""


@dataclass(frozen=True)
class Edges:
    """The same mark before every view of a picture and after its last one (Idefics2). `gap` keeps the last one off the next
    word."""

    edge: str
    gap: str = " "


@dataclass(frozen=True)
class RowEnds:
    """A mark after each row of visual tokens, another one after the last (Pixtral, arXiv:2410.07073)."""

    between: str
    last: str


@dataclass(frozen=True)
class Sized:
    """A mark, how many rows and columns of tokens a picture has in figures, another mark, the tokens, two marks after them
    (Emu3, arXiv:2409.18869)."""

    before: str
    between: str
    last: str
    after: str


@dataclass(frozen=True)
class Numbered:
    """The whole picture between `whole` marks, then its slices between `part` marks, a line feed after each row of them but the
    last (MiniCPM-V, arXiv:2408.01800); before all the picture's number in its conversation, from 0, where `number` marks stand
    around it."""

    whole: tuple[str, str]
    part: tuple[str, str]
    number: tuple[str, str] | None = None


Marks = Sized | Bare | RowColumn | Around | Ahead | Edges | RowEnds | Numbered


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
    `boxes` is how it speaks of places in its picture, where it does.
    """

    decoder: Decoder
    sight: Sight | None = None
    prompt: Literal["causal", "full"] = "causal"
    head: Head | None = None
    boxes: BoxDialect | None = None

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
    """The seeing half: from pixels to visual tokens of the decoder's width, and where they go."""

    views: Views
    pixels: Pixels
    encoder: Encoder
    connector: tuple[Step, ...]
    fusion: Fusion
    marks: Marks = Bare()
    carried: Carried | None = None


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
class Signal:
    """A transformer over what is no picture for eyes: sound as a spectrogram, depth, heat, motion (ImageBind).

    A strided convolution of `kernel` over [channels, height, width] makes `places` tokens, normed, each with a learned place.
    """

    name: str
    block: Block
    depth: int
    channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    places: int


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
