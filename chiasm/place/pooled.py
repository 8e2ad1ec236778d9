"""Routes that make one token of several of a view."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from chiasm.errors import BadPicture
from chiasm.place.boxes import Box
from chiasm.place.grids import WHOLE, Grid
from chiasm.place.laid import Laid, raster
from chiasm.place.routes import NEWLINE, Route, cells_of, free, unchanged, widened
from chiasm.resample import Floats, Ints, bilinear, bins, squares
from chiasm.spec import Merge, PoolClips, PoolTime, TwoMeans


def merge(step: Merge, laid: Laid) -> Route:
    """Squares of cells side by side; what stands for the whole of a view, side by side with itself."""
    indices, places, grids, side = list[Ints](), list[Ints](), list[Grid](), step.side
    for number, (grid, tokens) in enumerate(zip(laid.grids, cells_of(laid), strict=True)):
        if step.odd == "refused" and (grid.h % side or grid.w % side):
            message = (
                f"a grid of {grid.h} x {grid.w} patches cannot be merged {side} by {side}: "
                "choose a resolution whose patches divide evenly"
            )
            raise BadPicture(message)
        high, wide = -(-grid.h // side), -(-grid.w // side)
        small = replace(grid, h=high, w=wide, box=_reached(grid, high * side, wide * side))
        cells = free(tokens, laid)
        before, after = tokens[tokens < cells[0]], tokens[tokens > cells[-1]]
        filled = np.pad(
            cells.reshape(grid.t, grid.h, grid.w),
            ((0, 0), (0, high * side - grid.h), (0, wide * side - grid.w)),
            constant_values=NEWLINE,
        )
        blocks = filled.reshape(grid.t, small.h, side, small.w, side).transpose(0, 1, 3, 2, 4)
        indices += [_alone(before, side * side), blocks.reshape(-1, side * side), _alone(after, side * side)]
        t, y, x = np.indices((small.t, small.h, small.w), np.int64).reshape(3, -1)
        places += [laid.place_V4[before], np.stack([np.full_like(t, number), t, y, x], 1), laid.place_V4[after]]
        grids.append(small)
    if not grids:
        return Route(np.zeros((0, side * side), np.int64), laid)
    return Route(np.concatenate(indices), Laid(np.concatenate(places), tuple(grids)))


def _reached(grid: Grid, high: int, wide: int) -> Box:
    """What `high` x `wide` cells of a grid's own size show from its corner on."""
    box = grid.box
    x1 = box.x1 if wide == grid.w else box.x0 + (box.x1 - box.x0) / grid.w * wide
    y1 = box.y1 if high == grid.h else box.y0 + (box.y1 - box.y0) / grid.h * high
    return replace(box, x1=x1, y1=y1)


def pool_clips(step: PoolClips, laid: Laid) -> Route:
    """Pictures' tokens go through alone; those of a frame's squares together."""
    if not any(grid.moves for grid in laid.grids):
        return unchanged(laid)
    joined = step.side**2 if step.how != "bilinear" else 4
    indices, weights, places, grids = [], [], [], []
    for number, (grid, cells) in enumerate(zip(laid.grids, cells_of(laid), strict=True)):
        if not grid.moves:
            indices.append(np.repeat(cells[:, None], joined, 1))
            weights.append(np.eye(1, joined, dtype=np.float32).repeat(len(cells), 0))
            places.append(laid.place_V4[cells])
            grids.append(grid)
            continue
        if step.how == "bilinear":
            high, wide = -(-grid.h // step.side), -(-grid.w // step.side)
            index_VM, weight_VM = bilinear(grid.h, grid.w, high, wide)
        else:
            high, wide = grid.h // step.side, grid.w // step.side
            index_VM = squares(grid.h, grid.w, step.side)
            weight_VM = np.full(index_VM.shape, 1 / joined, np.float32)
        frames = cells.reshape(grid.t, grid.h * grid.w)
        indices.append(frames[:, index_VM].reshape(-1, joined))
        weights.append(np.tile(weight_VM, (grid.t, 1)))
        small = replace(grid, h=high, w=wide)
        place_V4 = raster([small]).place_V4
        place_V4[:, 0] = number
        places.append(place_V4)
        grids.append(small)
    laid = Laid(np.concatenate(places), tuple(grids))
    return Route(np.concatenate(indices), laid, np.concatenate(weights))


def each(queries: int, laid: Laid) -> list[int]:
    """So many queries for every grid."""
    return [queries] * len(laid.grids)


def query(counts: Sequence[int], laid: Laid) -> Route:
    """Every view leaves so many tokens, each made of all of its own; rows of fewer than the longest end in NEWLINE."""
    cells = cells_of(laid)
    index_VM = np.full((sum(counts), max(map(len, cells), default=0)), NEWLINE, np.int64)
    start = 0
    for count, here in zip(counts, cells, strict=True):
        index_VM[start : start + count, : len(here)] = here
        start += count
    place_V4 = np.full((len(index_VM), 4), WHOLE, np.int64)
    place_V4[:, 0] = np.repeat(np.arange(len(cells)), counts)
    return Route(index_VM, Laid(place_V4, laid.grids))


def merge_frames(frames: int, laid: Laid) -> Route:
    """Tokens of frames that go together, in equal shares; a frame that the last group lacks is its first once more, of none."""
    if not laid.grids:
        return Route(np.zeros((0, 1), np.int64), laid)
    indices, weights, places, grids = [], [], [], []
    for grid, cells in zip(laid.grids, cells_of(laid), strict=True):
        place_V4 = laid.place_V4[cells]
        if grid.moves and (place_V4[:, 1] == WHOLE).any():
            raise BadPicture("tokens of this model stand for a whole clip, and frames cannot be told apart to be merged")
        firsts = np.arange(0, grid.t, frames)
        group_GM = firsts[:, None] + np.arange(frames)
        there_GM = group_GM < grid.t
        index_TK = cells.reshape(grid.t, -1)
        index_GKM = index_TK[np.where(there_GM, group_GM, firsts[:, None])].transpose(0, 2, 1)
        share_GM = there_GM / there_GM.sum(1, keepdims=True)
        indices.append(index_GKM.reshape(-1, frames))
        weights.append(share_GM.repeat(index_TK.shape[1], 0).astype(np.float32))
        kept_V4 = place_V4.reshape(grid.t, -1, 4)[firsts]
        if grid.moves:
            kept_V4[..., 1] //= frames
        places.append(kept_V4.reshape(-1, 4))
        grids.append(replace(grid, t=len(firsts), times=_times(grid, firsts)))
    return Route(np.concatenate(indices), Laid(np.concatenate(places), tuple(grids)), np.concatenate(weights))


def pool_time(step: PoolTime, laid: Laid) -> Route:
    """Every grid becomes one of the step's own shape."""
    if not laid.grids:
        return Route(np.zeros((0, 1), np.int64), laid)
    indices, weights, places, grids = [], [], [], []
    for number, (grid, cells) in enumerate(zip(laid.grids, cells_of(laid), strict=True)):
        if grid.t > step.frames:
            raise BadPicture(f"a clip of {grid.t} frames, and this model reads {step.frames} at most: take fewer of them")
        times = step.frames // grid.t + 1 if grid.t < step.frames else 1
        shown = np.repeat(np.arange(grid.t), times)[: step.frames]
        (t, by_t), (y, by_y), (x, by_x) = (
            bins(*axis) for axis in ((step.frames, step.steps), (grid.h, step.rows), (grid.w, step.columns))
        )
        ty = shown[t][:, None, :, None] * grid.h + y[None, :, None]
        tyx = ty[:, :, None, :, :, None] * grid.w + x[None, None, :, None, None]
        share = by_t[:, None, None, :, None, None] * by_y[None, :, None, None, :, None] * by_x[None, None, :, None, None]
        small = replace(grid, t=step.steps, h=step.rows, w=step.columns, times=_times(grid, shown[t[:, 0]]))
        indices.append(cells[tyx.reshape(small.cells, -1)])
        weights.append(share.reshape(small.cells, -1))
        place_V4 = raster([small]).place_V4
        place_V4[:, 0] = number
        places.append(place_V4)
        grids.append(small)
    index_VM, weight_VM = widened(indices, 0), widened(weights, 0)
    return Route(index_VM, Laid(np.concatenate(places), tuple(grids)), weight_VM)


def pool_squares(side: int, laid: Laid) -> Route:
    """The route of `spec.PoolSquares`: means of squares of `side` x `side` cells, the far edges mirrored. Raises `BadPicture`
    for tokens that an earlier step left no grid of."""
    if not laid.grids:
        return Route(np.zeros((0, 1), np.int64), laid)
    indices: list[Ints] = []
    weights: list[Floats] = []
    places: list[Ints] = []
    grids: list[Grid] = []
    for number, (grid, tokens) in enumerate(zip(laid.grids, cells_of(laid), strict=True)):
        cells = free(tokens, laid)
        if len(cells) != grid.cells:
            lies = f"{len(cells)} tokens of a view of {grid.t} x {grid.h} x {grid.w} cells"
            raise BadPicture(f"{lies} make no squares to pool: merge-alike or prune them, or pool before what changed them")
        high, wide = -(-grid.h // side), -(-grid.w // side)
        edges = ((0, 0), (0, high * side - grid.h), (0, wide * side - grid.w))
        mirrored = np.pad(cells.reshape(grid.t, grid.h, grid.w), edges, "reflect")
        joined = mirrored.reshape(grid.t, high, side, wide, side).transpose(0, 1, 3, 2, 4).reshape(-1, side * side)
        seen = None if grid.seen is None else (-(-grid.seen[0] // side), -(-grid.seen[1] // side))
        grids.append(replace(grid, h=high, w=wide, seen=seen))
        before, after = tokens[tokens < cells[0]], tokens[tokens > cells[-1]]
        small_V4 = raster(grids[-1:]).place_V4 + np.array([number, 0, 0, 0])
        indices += [_alone(before, side**2), joined, _alone(after, side**2)]
        weights.append(np.full((len(indices[-3]) + len(joined) + len(indices[-1]), side**2), 1 / side**2, np.float32))
        places += [laid.place_V4[before], small_V4, laid.place_V4[after]]
    return Route(np.concatenate(indices), Laid(np.concatenate(places), tuple(grids)), np.concatenate(weights))


def _alone(tokens: Ints, joined: int) -> Ints:
    """Tokens that are joined with none but themselves."""
    return np.repeat(tokens[:, None], joined, 1)


def fewer(shares: Sequence[Fraction | float], laid: Laid) -> Route:
    """Every view leaves a share, rounded up, of its tokens that may be made fewer, and the others."""
    counts = []
    for cells, share in zip(cells_of(laid), shares, strict=True):
        fewer_V = free(cells, laid)
        counts.append(len(cells) - len(fewer_V) + math.ceil(len(fewer_V) * share))
    return query(counts, laid)


def _times(grid: Grid, frames: Ints) -> tuple[float, ...]:
    """When these frames of a clip were; nothing for a picture."""
    return tuple(grid.times[frame] for frame in frames.tolist()) if grid.moves else ()


def two_means(step: TwoMeans, laid: Laid) -> Route:
    """Rows of fewer tokens than the longest one end in NEWLINE; those of frames that a clip lacks are nothing else."""
    if not laid.grids:
        return Route(np.zeros((0, 1), np.int64), laid)
    indices, places = [], []
    for number, (grid, cells) in enumerate(zip(laid.grids, cells_of(laid), strict=True)):
        frames = cells.reshape(grid.t, grid.h * grid.w)
        absent = np.full((max(step.steps - grid.t, 0), 1), NEWLINE, np.int64)
        indices += [frames, absent, frames.T]
        place_V4 = np.full((len(frames) + len(absent) + frames.shape[1], 4), WHOLE, np.int64)
        place_V4[:, 0] = number
        place_V4[: grid.t, 1] = np.arange(grid.t)
        place_V4[-frames.shape[1] :, 2:] = np.indices((grid.h, grid.w), np.int64).reshape(2, -1).T
        places.append(place_V4)
    return Route(widened(indices, NEWLINE), Laid(np.concatenate(places), laid.grids))
