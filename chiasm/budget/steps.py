"""The arithmetic of connectors' steps, as `work` counts it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from chiasm.budget.blocks import after_attention, attention_of, linear_of
from chiasm.place import Grid, encoded, leaves, route
from chiasm.spec import (
    Align,
    Asker,
    Bend,
    Enclose,
    EndFrames,
    EndRows,
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
    Prune,
    QFormer,
    Reader,
    Recut,
    Resampler,
    RowsOfTiles,
    Sight,
    Step,
    Tally,
    Times,
    TwoMeans,
    Unit,
)


def connected(sight: Sight, grids: Sequence[Grid], sizes: Sequence[tuple[int, int]]) -> int:
    """All steps of a connector over those grids of patches."""
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
            own = 2 * queries * block.width * block.heads * block.head_width + after_attention(block, queries)
            return depth * (shared + own + attention_of(block, queries * keys))
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
            alike = attention_of(block, asks * asks // max(views, 1))
            crossed = len(range(0, depth, every)) * (across + attention_of(block, asks * tokens // max(views, 1)))
            return depth * (linear_of(block, asks) + alike) + crossed
