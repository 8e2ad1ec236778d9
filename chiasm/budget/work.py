"""The arithmetic of a prefill in FLOPs, a multiplication and an addition counted as two.

With N tokens of a block of width D, H heads (of them G with keys of their own) of width F, an MLP of width M, and S
the sum of squares of the lengths of the sequences that attend to themselves alone:

    linear     2 N (D H F + 2 D G F + H F D + k D M)      k = 2 products in a plain MLP, 3 in a gated one; of experts
                                                           those that a token passes, and their router
    attention  4 S H F                                     scores, then the weighted sum

A delta rule of H states of K x V numbers mixes N tokens in N / C chunks of C = 64 of them, the last one filled up:

    delta rule 2 H N (C (2 K + V) + 3 K V)

Attention is counted in whole squares, also under a causal mask and whatever a kernel leaves out of it. Norms, activations,
rotations, the resizing of position tables and the embedding are left out, as `torch.utils.flop_counter` leaves them
out, and so is the solving of a delta rule's triangular systems; a 3x3 convolution is 9 multiply-adds a pixel and pair of
channels. Only the last position passes the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chiasm.budget.blocks import after_attention, attention_of, linear_of, mixing_of, projections_of
from chiasm.budget.encoders import encoded_by
from chiasm.budget.steps import connected
from chiasm.place import Grid, connect, encoded, leaves
from chiasm.spec import Causal, Cross, Decoder, EncoderDecoder, Sight, Writer


@dataclass(frozen=True)
class Work:
    """FLOPs of one prefill by part; `head` is the last position's scores of the vocabulary."""

    vision_linear: int = 0
    vision_attention: int = 0
    connector: int = 0
    language_linear: int = 0
    language_attention: int = 0
    head: int = 0

    @property
    def vision(self) -> int:
        return self.vision_linear + self.vision_attention

    @property
    def language(self) -> int:
        return self.language_linear + self.language_attention + self.head

    @property
    def total(self) -> int:
        return self.vision + self.connector + self.language


def work(spec: Writer, grids: Sequence[Grid], sizes: Sequence[tuple[int, int]], length: int) -> Work:
    """The FLOPs of one row of `length` positions (visual tokens included) with the given grids of patches.

    `sizes` are the upright (width, height) of the items that the grids belong to. Of a model with sources and targets the
    row is the source, and one position of a target is read after it.
    """
    linear, attention, head = _decoded(spec.decoder, length) if isinstance(spec, Causal) else _crossed(spec.language, length)
    if spec.sight is None or not grids:
        return Work(0, 0, 0, linear, attention, head)
    seen = encoded_by(spec.sight.encoder, grids)
    if isinstance(spec, Causal) and isinstance(spec.sight.fusion, Cross):
        asked = len(connect(spec.sight.connector, encoded(spec.sight.encoder, grids), sizes))
        more = _gated(spec.sight, spec.decoder.depth, length, asked)
        linear, attention = linear + more[0], attention + more[1]
    return Work(*seen, connected(spec.sight, grids, sizes), linear, attention, head)


def _decoded(decoder: Decoder, length: int) -> tuple[int, int, int]:
    """Linear layers, attention and head of a causal decoder that reads so many positions."""
    # Only the last position's state is asked for, so the last block computes keys and values for all, the rest for one.
    *before, last = (decoder.block_of(layer) for layer in range(decoder.depth))
    led = 2 * decoder.width * decoder.inner * (length + 1) if decoder.inner != decoder.width else 0
    return (
        led + sum(linear_of(block, length) for block in before) + projections_of(last, length) + after_attention(last, 1),
        sum(mixing_of(block, length, length) for block in before) + mixing_of(last, 1, length),
        2 * decoder.inner * (decoder.vocab + decoder.more),
    )


def _crossed(spec: EncoderDecoder, length: int) -> tuple[int, int, int]:
    """The same of an encoder that reads so many positions and a decoder that asks it once."""
    block, across = spec.block, spec.block.heads * spec.block.head_width
    shared = 2 * block.kv_heads * block.head_width
    asked = 2 * block.width * (length * shared + 2 * across)
    return (
        spec.source * linear_of(block, length) + spec.target * (linear_of(block, 1) + asked),
        spec.source * attention_of(block, length * length)
        + spec.target * (attention_of(block, 1) + attention_of(block, length)),
        2 * spec.width * spec.vocab,
    )


def _gated(sight: Sight, depth: int, length: int, asked: int) -> tuple[int, int]:
    """The gated blocks of a decoder of that depth over a row of that length and so many visual tokens beside it."""
    assert isinstance(sight.fusion, Cross)
    block, width = sight.fusion.block, sight.encoder.width
    for step in sight.connector:
        width = leaves(step, width)
    asks = [length if place < depth else 1 for place in sight.fusion.before]
    own = sum(2 * tokens * block.width * block.heads * block.head_width + after_attention(block, tokens) for tokens in asks)
    # Values once more: of what a token gets that asks nothing.
    theirs = 2 * width * (2 * asked + 1) * block.kv_heads * block.head_width
    return own + len(asks) * theirs, sum(attention_of(block, tokens * asked) for tokens in asks)
