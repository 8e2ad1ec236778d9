"""Models of text: positions, decoders, towers, encoders."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from chiasm.spec.block import Block, Delta, Mixer, Norm
from chiasm.spec.positions import Learned, Relative, Rope, Sines


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
    turns: tuple[Mixer, ...] = ()
    """The mixers that layers have in turns, from the first one on; none: all have the block's own."""

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
        block = dataclasses.replace(self.block, experts=None) if layer < self.dense else self.block
        return dataclasses.replace(block, mixer=self.turns[layer % len(self.turns)]) if self.turns else block

    @property
    def deltas(self) -> tuple[Delta, ...]:
        """The mixers of the layers that keep a state instead of keys and values, in order."""
        mixers = (self.block_of(layer).mixer for layer in range(self.depth))
        return tuple(mixer for mixer in mixers if isinstance(mixer, Delta))


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
