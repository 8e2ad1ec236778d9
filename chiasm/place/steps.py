"""Every connector step: its route, and the width that leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from chiasm.errors import BadPicture
from chiasm.place.ended import enclose, end_frames, end_rows, tally
from chiasm.place.joined import join, rows_of_tiles
from chiasm.place.laid import Laid
from chiasm.place.pooled import each, fewer, merge, merge_frames, pool_clips, pool_squares, pool_time, query, two_means
from chiasm.place.routes import Route, unchanged
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
    Step,
    Tally,
    Times,
    TwoMeans,
    Unit,
)


def route(step: Step, laid: Laid, sizes: Sequence[tuple[int, int]]) -> Route:
    """How one connector step moves tokens. `sizes` are the items' upright (width, height), which unpadding needs."""
    match step:
        case Mlp() | Normed() | Align() | Bend() | Recut() | Unit() | Times():
            return unchanged(laid)
        case Placed():
            return _placed(step, laid)
        case Enclose():
            return enclose(laid)
        case Merge():
            return merge(step, laid)
        case JoinTiles(keeps):
            return join(step, laid, [None] * len(sizes) if keeps == "canvas" else sizes)
        case PoolClips():
            return pool_clips(step, laid)
        case Resampler() | Reader() | Asker():
            return query(each(step.queries, laid), laid)
        case PoolTime():
            return pool_time(step, laid)
        case PoolSquares(side):
            return pool_squares(side, laid)
        case RowsOfTiles():
            return rows_of_tiles(step, laid)
        case TwoMeans():
            return two_means(step, laid)
        case QFormer():
            return query(each(step.queries + step.added, laid), laid)
        case MergeAlike(ratio) | Prune(ratio):
            shares = [grid.share if ratio == "told" else Fraction(1, ratio) for grid in laid.grids]
            return fewer(shares, laid)
        case MergeFrames(frames):
            return merge_frames(frames, laid)
        case EndRows():
            return end_rows(laid)
        case EndFrames():
            return end_frames(laid)
        case Tally(tokens):
            return tally(tokens, laid)


def leaves(step: Step, width: int) -> int:
    """The width of the tokens that leave a step which `width` entered."""
    match step:
        case Mlp() | Align() | Reader() | Recut() | Asker():
            return step.width
        case Merge(side):
            return width * side * side
        case (
            Normed()
            | Bend()
            | Enclose()
            | EndFrames()
            | EndRows()
            | JoinTiles()
            | PoolClips()
            | PoolTime()
            | TwoMeans()
            | PoolSquares()
            | RowsOfTiles()
            | Unit()
            | Times()
            | Placed()
            | Tally()
            | MergeAlike()
            | Prune()
            | MergeFrames()
        ):
            return width
        case Resampler() | QFormer():
            return step.block.width


def connect(steps: Sequence[Step], laid: Laid, sizes: Sequence[tuple[int, int]]) -> Laid:
    """The places after all steps of a connector."""
    for step in steps:
        laid = route(step, laid, sizes).laid
    return laid


def _placed(step: Placed, laid: Laid) -> Route:
    for grid in laid.grids:
        for name, size, most in (("rows", grid.h, step.rows), ("columns", grid.w, step.columns), ("steps", grid.t, step.steps)):
            if most and size > most:
                do = "take fewer frames" if name == "steps" else "show it smaller"
                raise BadPicture(f"a view of {size} {name}, and this model knows places of {most}: {do}")
    return unchanged(laid)
