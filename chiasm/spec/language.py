"""Models of text: positions, decoders, towers, encoders."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal

from chiasm.spec.block import Block, Norm


@dataclass(frozen=True)
class Plain:
    """Rotary frequencies as published (arXiv:2104.09864)."""


@dataclass(frozen=True)
class LinearScaling:
    """Every position divided by `factor` (arXiv:2306.15595)."""

    factor: float


@dataclass(frozen=True)
class Llama3Scaling:
    """Llama 3.1's frequencies: long wavelengths divided by `factor`, short ones kept, a blend between."""

    factor: float
    low: float
    high: float
    original: int


class Declares:
    """A part that breaks an invariant because its reference does: `breaks` says which one, and why."""

    breaks: ClassVar[dict[str, str]]


_BY_LENGTH = (
    "its frequencies follow the longest row that is read at once, as the reference's do: keys that were cached, and shorter "
    "rows beside a longer one, are turned by others where that length passes `original`"
)


@dataclass(frozen=True)
class LongRope(Declares):
    """Each frequency divided by its own number, another set of them past `original` positions (arXiv:2402.13753); what is
    turned is also multiplied by `attention`."""

    short: tuple[float, ...]
    long: tuple[float, ...]
    attention: float
    original: int
    breaks: ClassVar[dict[str, str]] = {"cached_is_uncached": _BY_LENGTH, "batch_is_single": _BY_LENGTH}


@dataclass(frozen=True)
class DynamicNtk(Declares):
    """A base that grows with the length L past `original` positions: times (factor L / original - (factor - 1)) to the power
    F / (F - 2), where F numbers of a head are turned."""

    factor: float
    original: int
    breaks: ClassVar[dict[str, str]] = {"cached_is_uncached": _BY_LENGTH, "batch_is_single": _BY_LENGTH}


@dataclass(frozen=True)
class Yarn:
    """Frequencies that turn less than `slow` times in `original` positions divided by `factor`, those that turn more than
    `fast` times kept, a blend between (arXiv:2309.00071); what is turned is also multiplied by `attention`."""

    factor: float
    original: int
    fast: float = 32.0
    slow: float = 1.0
    attention: float = 1.0


@dataclass(frozen=True)
class StepNtk(Declares):
    """A base that grows in steps with the length L of a row's prompt past `original` positions: times a to the power
    F / (F - 2), where a is the power of two that is at least 2 L / original, less one (Qwen, arXiv:2309.16609)."""

    original: int
    breaks: ClassVar[dict[str, str]] = {
        "cached_is_uncached": "its frequencies follow the length of the prompt and are kept while it writes, as the "
        "reference's are: a row that is read again with its answer may be turned by others",
    }


Scaling = Plain | LinearScaling | Llama3Scaling | LongRope | DynamicNtk | Yarn | StepNtk


@dataclass(frozen=True)
class Rope:
    """Rotary positions. `sections` splits the frequencies among the axes (time, row, column) of M-RoPE; none: one axis.
    `share` is how much of each head is turned, its first numbers; `first` the position of a row's first token. Queries that
    stand beyond number `calm` of a row are made louder, by the logarithm of their number to that base (Qwen)."""

    theta: float = 10000.0
    scaling: Scaling = Plain()
    sections: tuple[int, ...] = ()
    share: float = 1.0
    first: int = 0
    calm: int | None = None

    @property
    def axes(self) -> int:
        return len(self.sections) or 1


@dataclass(frozen=True)
class Learned:
    """A learned vector for each of `count` positions, added to the embedding; the table begins with `before` idle rows."""

    count: int
    before: int = 0

    @property
    def first(self) -> int:
        return 0

    @property
    def axes(self) -> int:
        return 1


@dataclass(frozen=True)
class Sines:
    """A fixed vector for each position, sines and cosines of ever longer waves, added to the embedding (arXiv:1706.03762);
    the first position has the number `before`."""

    before: int = 0

    @property
    def first(self) -> int:
        return 0

    @property
    def axes(self) -> int:
        return 1


@dataclass(frozen=True)
class Decoder:
    """A causal transformer of the Llama kind. `tied`: the head is the embedding; `window`: keys further back are unseen."""

    block: Block
    depth: int
    vocab: int
    rope: Rope | Learned | Sines
    context: int
    tied: bool = False
    window: int | None = None
    full_every: int | None = None
    """Each layer of this number and its multiples sees past the window (Gemma 2: every second one)."""
    embed_scale: Literal["plain", "root_width"] = "plain"
    """What embeddings of ids are multiplied by."""
    embed_width: int | None = None
    """The embedding's and the head's own width, where linear layers lead from it to the blocks and back."""
    logit_cap: float | None = None
    """Logits are bent into (-cap, cap) by tanh."""
    silent: tuple[tuple[int, int], ...] = ()
    """Runs of ids (first, how many) whose logits are the lowest number there is: they are read and never written."""
    dense: int = 0
    """The first blocks, that have an MLP where the others have experts."""
    more: int = 0
    """Ids after `vocab` whose rows stand in tables of their own, of the embedding and of the head (Idefics)."""
    unsaid: int = 0
    """Ids after `vocab` that are read and never written: rows of the embedding alone (Llama 3.2 Vision)."""

    @property
    def width(self) -> int:
        return self.block.width

    @property
    def ids(self) -> int:
        """How many ids can be read."""
        return self.vocab + self.more + self.unsaid

    @property
    def inner(self) -> int:
        """The width of what the head reads."""
        return self.embed_width or self.block.width

    def window_of(self, layer: int) -> int | None:
        """How far back a layer sees; none: to the beginning."""
        return None if self.full_every is not None and (layer + 1) % self.full_every == 0 else self.window

    def block_of(self, layer: int) -> Block:
        """A layer's own block."""
        return dataclasses.replace(self.block, experts=None) if layer < self.dense else self.block


@dataclass(frozen=True)
class TextTower:
    """A text encoder with learned positions. `pool`: the first `end` token, the highest id (old CLIP), or the last place."""

    block: Block
    depth: int
    vocab: int
    positions: int
    mask: Literal["causal", "full"]
    pool: Literal["first_end", "highest", "last"]
    end: int
    project: int
    project_bias: bool


@dataclass(frozen=True)
class Bidirectional:
    """A text encoder whose tokens see the whole row (BERT, arXiv:1810.04805).

    Embeddings of ids, of `kinds` of segments and, where `place` is learned, of places are added and normed. `pool`: nothing,
    or tanh of the first token through a linear layer. `reach` is how far to either side a token sees, where not the whole row
    (Longformer, arXiv:2004.05150); places are counted from a row's first position on, or by its tokens, pads left out.
    `carried` are tensors, by name and shape, that are read by nothing and kept from file to file.
    """

    block: Block
    depth: int
    vocab: int
    place: Rope | Learned
    kinds: int
    context: int
    pool: Literal["none", "tanh"] = "none"
    reach: int | None = None
    counts: Literal["places", "tokens"] = "places"
    carried: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True)
class Relative:
    """A learned number per head for each of `buckets` of distances, added to the scores: half of them for single steps, the
    rest in widening ones up to `furthest` (T5, arXiv:1910.10683)."""

    buckets: int
    furthest: int


@dataclass(frozen=True)
class BoxPlaces:
    """A learned vector for each edge of a token's box, in `steps` of the page, added to its embedding; and what distances of
    boxes' middles, in hundredths of the page, add to the scores (UDOP, arXiv:2212.02623). `closing` is the box of the token
    that closes a text: empty at the page's first corner, or at its last one."""

    steps: int
    distance: Relative
    closing: Literal["first", "last"] = "last"


@dataclass(frozen=True)
class EncoderDecoder:
    """A transformer that reads a source as a whole and writes a target after it; one embedding for both (arXiv:1910.10683).

    `source` and `target` are depths; where no block reads the source it is asked for as it comes, what an eye saw for
    example. `head_scale`: hidden states times one over the root of their width before the head. `start` is the id that
    targets begin with.
    """

    block: Block
    source: int
    target: int
    vocab: int
    place: Relative | Learned
    """How places are told: by what distances add to the scores, or by a learned vector for each place of the target."""
    start: int
    tied: bool = True
    head_scale: Literal["plain", "by_root_width"] = "plain"
    embed_scale: Literal["plain", "root_width"] = "plain"
    """What embeddings of ids are multiplied by."""
    embed_norm: Norm | None = None
    """A norm of what is embedded and placed, before the first block."""
    boxes: BoxPlaces | None = None
    """How places on a page are told of a source whose tokens have boxes."""

    @property
    def width(self) -> int:
        return self.block.width

    @property
    def context(self) -> int | None:
        """How many tokens a target may have; none: as many as one likes."""
        return self.place.count if isinstance(self.place, Learned) else None
