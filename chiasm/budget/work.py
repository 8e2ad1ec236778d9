"""The arithmetic of a prefill in FLOPs, a multiplication and an addition counted as two.

With N tokens of a block of width D, H heads (of them G with keys of their own) of width F, an MLP of width M, and S
the sum of squares of the lengths of the sequences that attend to themselves alone:

    linear     2 N (D H F + 2 D G F + H F D + k D M)      k = 2 products in a plain MLP, 3 in a gated one; of experts
                                                           those that a token passes, and their router
    attention  4 S H F                                     scores, then the weighted sum

Attention is counted as it is handed to the kernel: whole squares, also under a causal mask. Norms, activations,
rotations, the resizing of position tables and the embedding are left out, as `torch.utils.flop_counter` leaves them
out; a 3x3 convolution is 9 multiply-adds a pixel and pair of channels. Only the last position passes the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from chiasm.budget.codes import tokenized
from chiasm.budget.shifted import shifted
from chiasm.budget.windowed import both
from chiasm.place import Grid, canvases, connect, encoded, leaves, route
from chiasm.spec import (
    VQ,
    Align,
    Asker,
    Bend,
    Block,
    Both,
    ByKind,
    Causal,
    ConvViT,
    Cross,
    Decoder,
    Divided,
    Enclose,
    EncoderDecoder,
    EndFrames,
    EndRows,
    Flat,
    JoinTiles,
    Merge,
    MergeAlike,
    MergeFrames,
    Mlp,
    Normed,
    Placed,
    PoolClips,
    PoolSquares,
    PoolTime,
    Precomputed,
    Prune,
    QFormer,
    Reader,
    Recut,
    Resampler,
    RowsOfTiles,
    Sight,
    Step,
    Swin,
    Tally,
    TiledViT,
    Times,
    TwoMeans,
    Unit,
    ViT,
    Windows,
    Writer,
)


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
    match spec.sight.encoder:
        case ViT() as encoder:
            seen = _vit(encoder, grids)
        case Both() as encoder:
            (a, b), (c, d) = _vit(encoder.low, grids[::2]), both(encoder, len(grids) // 2)
            seen = a + c, b + d
        case ConvViT() as encoder:
            seen = _conv_vit(encoder, grids)
        case ByKind(pictures, clips):
            towers = ((pictures, [g for g in grids if not g.moves]), (clips, [g for g in grids if g.moves]))
            (a, b), (c, d) = (_vit(*tower) for tower in towers)
            seen = a + c, b + d
        case TiledViT() as encoder:
            seen = _tiled_vit(encoder, grids)
        case VQ() as encoder:
            seen = tokenized(encoder, grids)
        case Swin() as encoder:
            seen = shifted(encoder, grids)
        case Precomputed() | Flat():
            seen = 0, 0
    if isinstance(spec, Causal) and isinstance(spec.sight.fusion, Cross):
        asked = len(connect(spec.sight.connector, encoded(spec.sight.encoder, grids), sizes))
        more = _gated(spec.sight, spec.decoder.depth, length, asked)
        linear, attention = linear + more[0], attention + more[1]
    return Work(*seen, _connector(spec.sight, grids, sizes), linear, attention, head)


def _decoded(decoder: Decoder, length: int) -> tuple[int, int, int]:
    """Linear layers, attention and head of a causal decoder that reads so many positions."""
    # Only the last position's state is asked for, so the last block computes keys and values for all, the rest for one.
    *before, last = (decoder.block_of(layer) for layer in range(decoder.depth))
    led = 2 * decoder.width * decoder.inner * (length + 1) if decoder.inner != decoder.width else 0
    return (
        led + sum(_linear(block, length) for block in before) + _projections(last, length) + _after(last, 1),
        sum(_attention(block, length * length) for block in before) + _attention(last, length),
        2 * decoder.inner * (decoder.vocab + decoder.more),
    )


def _crossed(spec: EncoderDecoder, length: int) -> tuple[int, int, int]:
    """The same of an encoder that reads so many positions and a decoder that asks it once."""
    block, across = spec.block, spec.block.heads * spec.block.head_width
    shared = 2 * block.kv_heads * block.head_width
    asked = 2 * block.width * (length * shared + 2 * across)
    return (
        spec.source * _linear(block, length) + spec.target * (_linear(block, 1) + asked),
        spec.source * _attention(block, length * length) + spec.target * (_attention(block, 1) + _attention(block, length)),
        2 * spec.width * spec.vocab,
    )


def _linear(block: Block, tokens: int) -> int:
    return _projections(block, tokens) + _after(block, tokens)


def _projections(block: Block, tokens: int) -> int:
    """Queries, keys and values."""
    if block.latent is not None:
        narrow, across = block.latent, block.heads * block.head_width
        asked = block.width * across
        if narrow.queries is not None:
            asked = narrow.queries * (block.width + across)
        unfolded = block.heads * (block.head_width - narrow.turned + narrow.values)
        return 2 * tokens * (asked + block.width * (narrow.keys + narrow.turned) + narrow.keys * unfolded)
    return 2 * tokens * block.width * (block.heads + 2 * block.kv_heads) * block.head_width


def _after(block: Block, tokens: int) -> int:
    """What follows the attention: its output's product, and the MLP."""
    products = 3 if block.mlp == "gated" else 2
    inner = products * block.mlp_width
    if block.experts is not None:
        inner = 3 * (block.experts.active * block.experts.width + block.experts.shared) + block.experts.count
    return 2 * tokens * block.width * (block.heads * block.value_width + inner)


def _attention(block: Block, pairs: int) -> int:
    return 2 * pairs * block.heads * (block.head_width + block.value_width)


def _vit(encoder: ViT, grids: Sequence[Grid]) -> tuple[int, int]:
    """Blocks after the last tap do not run."""
    extra = encoder.extra
    cells = sum(grid.cells for grid in grids)
    tokens = cells + extra * sum(grid.t for grid in grids)
    match encoder.sees:
        case "clip":
            whole = sum((grid.cells + grid.t * extra) ** 2 for grid in grids)
        case "frame" | Divided():
            whole = sum(grid.t * (grid.h * grid.w + extra) ** 2 for grid in grids)
    run = max(tap % (encoder.depth + 1) for tap in encoder.taps)
    depth_of_patch = encoder.channels * encoder.frames * encoder.patch**2
    linear = 2 * cells * depth_of_patch * encoder.block.width + run * _linear(encoder.block, tokens)
    if isinstance(encoder.sees, Divided):
        more = _in_time(encoder.block, [grid for grid in grids if grid.t > 1])
        return linear + run * more[0], run * (more[1] + _attention(encoder.block, whole))
    if encoder.windows is None:
        return linear, run * _attention(encoder.block, whole)
    full = sum(1 for index in encoder.windows.full if index < run)
    inside = sum(grid.t * _pairs(grid, encoder.windows) for grid in grids)
    return linear, full * _attention(encoder.block, whole) + (run - full) * _attention(encoder.block, inside)


def _in_time(block: Block, clips: Sequence[Grid]) -> tuple[int, int]:
    """Attention in time of one block: among the steps of each cell, with a projection more than others have."""
    cells, heads = sum(grid.cells for grid in clips), block.heads * block.value_width
    linear = _projections(block, cells) + 2 * cells * block.width * (heads + block.width)
    return linear, _attention(block, sum(grid.cells * grid.t for grid in clips))


def _tiled_vit(encoder: TiledViT, grids: Sequence[Grid]) -> tuple[int, int]:
    """Every picture is a canvas of all its tiles, each filled up to a multiple of eight tokens."""
    pictures, cells, block = len(canvases(grids)), sum(grid.cells for grid in grids), encoder.block
    tokens = encoder.most * -(-(encoder.side**2 + 1) // 8) * 8
    depth = encoder.depth + encoder.wide
    linear = 2 * cells * encoder.channels * encoder.patch**2 * block.width + depth * _linear(block, pictures * tokens)
    return linear, depth * _attention(block, pictures * tokens**2)


def _gated(sight: Sight, depth: int, length: int, asked: int) -> tuple[int, int]:
    """The gated blocks of a decoder of that depth over a row of that length and so many visual tokens beside it."""
    assert isinstance(sight.fusion, Cross)
    block, width = sight.fusion.block, sight.encoder.width
    for step in sight.connector:
        width = leaves(step, width)
    asks = [length if place < depth else 1 for place in sight.fusion.before]
    own = sum(2 * tokens * block.width * block.heads * block.head_width + _after(block, tokens) for tokens in asks)
    # Values once more: of what a token gets that asks nothing.
    theirs = 2 * width * (2 * asked + 1) * block.kv_heads * block.head_width
    return own + len(asks) * theirs, sum(_attention(block, tokens * asked) for tokens in asks)


def _pairs(grid: Grid, windows: Windows) -> int:
    """Pairs of cells that share a window: the squares of windows are products of the squares along both axes."""
    return _squares(grid.h, windows.side) * _squares(grid.w, windows.side)


def _squares(cells: int, side: int) -> int:
    whole, rest = divmod(cells, side)
    return whole * side**2 + rest**2


def _conv_vit(encoder: ConvViT, grids: Sequence[Grid]) -> tuple[int, int]:
    fine, middle, coarse = encoder.widths
    per = encoder.patch
    linear = attention = 0
    for grid in grids:
        at_4, at_8, at_16 = (grid.cells * (per // stride) ** 2 for stride in (4, 8, 16))
        maps = 9 * 12 * fine * at_4
        maps += 9 * fine * middle * at_8 + 18 * middle * middle * encoder.convs[0] * at_8
        maps += 4 * middle * coarse * at_16 + 18 * coarse * coarse * encoder.convs[1] * at_16
        tokens = (per // 16) ** 2 * coarse * encoder.block.width * grid.cells
        linear += 2 * (maps + tokens) + encoder.depth * _linear(encoder.block, grid.cells)
        attention += encoder.depth * _attention(encoder.block, grid.cells**2)
    return linear, attention


def _connector(sight: Sight, grids: Sequence[Grid], sizes: Sequence[tuple[int, int]]) -> int:
    laid, width, total = encoded(sight.encoder, grids), sight.encoder.width, 0
    for step in sight.connector:
        total += _step(step, len(laid), len(laid.grids), width)
        laid = route(step, laid, sizes).laid
        width = leaves(step, width)
    return total


def _step(step: Step, tokens: int, views: int, width: int) -> int:
    match step:
        case Mlp():
            if step.gated:
                return 2 * tokens * step.hidden * (2 * width + step.width)
            widths = [width, *[step.hidden] * (step.depth - 1), step.width]
            return sum(2 * tokens * into * out for into, out in pairwise(widths))
        case Align(parts, across):
            return 2 * tokens * (sum(parts) * across // len(parts) + across**2)
        case (
            Normed()
            | Bend()
            | Enclose()
            | EndFrames()
            | EndRows()
            | Unit()
            | Times()
            | Merge()
            | JoinTiles()
            | PoolClips()
            | PoolTime()
            | TwoMeans()
            | PoolSquares()
            | RowsOfTiles()
            | Recut()
            | Placed()
            | MergeFrames()
        ):
            return 0
        case Tally(more, slots, hidden):
            return 2 * tokens * hidden * (width + more * slots)
        case MergeAlike():
            # Half of each view's tokens are compared with the other half, in rounds that come to about twice the first.
            return width * tokens**2 // max(views, 1)
        case Prune():
            return 2 * width * tokens
        case Resampler(block, depth, queries):
            # Queries of one view: their own products and those of the keys that they read, the view's tokens among them.
            keys = tokens + queries
            shared = 2 * keys * block.width * 2 * block.kv_heads * block.head_width
            own = 2 * queries * block.width * block.heads * block.head_width + _after(block, queries)
            return depth * (shared + own + _attention(block, queries * keys))
        case Reader(wide, heads, queries):
            products = 2 * tokens * wide * (width + 2 * wide) + 2 * queries * wide * 3 * wide
            return products + 4 * queries * tokens * wide
        case Asker(across, _, queries):
            # Of one view: the queries' products, those of the keys that they read, and what is mixed.
            keys = tokens + queries
            return 2 * (2 * queries + 2 * keys) * across**2 + 4 * queries * keys * across
        case QFormer(block, depth, queries, every):
            # Without the text that may stand beside the queries.
            asks = (queries + step.added) * views
            heads, shared = block.heads * block.head_width, 2 * block.kv_heads * block.head_width
            across = 2 * asks * 2 * block.width * heads + 2 * tokens * width * shared
            alike = _attention(block, asks * asks // max(views, 1))
            crossed = len(range(0, depth, every)) * (across + _attention(block, asks * tokens // max(views, 1)))
            return depth * (_linear(block, asks) + alike) + crossed
