"""Where every visual token stands: grids, boxes, and the arithmetic of connectors on places.

A place is (grid, t, y, x); -1 means the whole of that axis. A connector step is first a `Route` - which tokens go into each
token that leaves it, and where that token stands - computed here from grids alone; the module that carries the weights
(connect/) only gathers along it. So counting, positions, boxes and the model's own output cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal

import numpy as np

from chiasm.errors import BadPicture
from chiasm.resample import Floats, bilinear, bins, squares
from chiasm.spec import (
    Align,
    Asker,
    Bend,
    Both,
    ByKind,
    Enclose,
    Encoder,
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
    Swin,
    TiledViT,
    Times,
    TwoMeans,
    Unit,
    ViT,
)

Ints = np.ndarray[Any, np.dtype[np.int64]]

WHOLE = -1
"""On an axis of a place: all of it."""

NEWLINE, BREAK = -1, -2
"""In a route: the learned newline instead of a token; the learned mark between two parts of a picture."""

OPENING, CLOSING = -3, -4
"""In a route: the learned vectors before and after a view's tokens."""


@dataclass(frozen=True)
class Box:
    """A rectangle (x0, y0, x1, y1); `frame` says of what: source pixels (upright), or fractions of the picture."""

    x0: float
    y0: float
    x1: float
    y1: float
    frame: str = "source"

    def to_fraction(self, width: float, height: float) -> Box:
        """The same rectangle as fractions of a picture of `width` x `height` source pixels."""
        if self.frame != "source":
            raise ValueError(f"a box in the frame {self.frame!r} has no pixels to divide by")
        return Box(self.x0 / width, self.y0 / height, self.x1 / width, self.y1 / height, "fraction")

    def to_source(self, width: float, height: float) -> Box:
        """The inverse of `to_fraction`."""
        if self.frame != "fraction":
            raise ValueError(f"a box in the frame {self.frame!r} is not in fractions")
        return Box(self.x0 * width, self.y0 * height, self.x1 * width, self.y1 * height)


@dataclass(frozen=True)
class Point:
    """A place in source pixels (upright), on what is meant or off it."""

    x: float
    y: float
    where: Literal["inside", "outside"] = "inside"


NOWHERE = Box(0, 0, 0, 0, "nowhere")
"""What a grid shows that shows nothing."""


@dataclass(frozen=True)
class Grid:
    """One view of one item: `t` x `h` x `w` cells showing `box` of the source (which may reach outside: padding).

    `times`: seconds at which each step of t begins; empty for a still picture. `seen`: how many rows and columns of cells,
    from the top left, are more than padding; none: all of them. Tokens do not look at the others.
    """

    item: int
    t: int
    h: int
    w: int
    box: Box
    times: tuple[float, ...] = ()
    seen: tuple[int, int] | None = None
    turn: Literal["upright", "clockwise"] = "upright"
    """How the view shows its box: rows as the picture has them, or columns from the left, each from its lower end."""

    @property
    def cells(self) -> int:
        return self.t * self.h * self.w

    @property
    def moves(self) -> bool:
        """Whether this is a clip, if only of one frame."""
        return bool(self.times)

    @property
    def shown(self) -> tuple[int, int]:
        """How many rows and columns show anything."""
        return self.seen or (self.h, self.w)

    @property
    def shows(self) -> bool:
        """Whether there is anything to see: not in an unused tile, nor in a place for a picture that has none."""
        return self.box != NOWHERE

    def cell(self, y: int, x: int) -> Box:
        """The source rectangle of the cell (y, x); WHOLE stands for a full axis."""
        match self.turn:
            case "upright":
                x0, x1 = _interval(self.box.x0, self.box.x1, self.w, x)
                y0, y1 = _interval(self.box.y0, self.box.y1, self.h, y)
            case "clockwise":
                x0, x1 = _interval(self.box.x0, self.box.x1, self.h, y)
                y1, y0 = _interval(self.box.y1, self.box.y0, self.w, x)
        return Box(x0, y0, x1, y1, self.box.frame)


def _interval(start: float, end: float, cells: int, cell: int) -> tuple[float, float]:
    """Where one of `cells` equal parts begins and ends; there may be none where the whole is asked for."""
    if cell == WHOLE:
        return start, end
    step = (end - start) / cells
    return start + cell * step, start + (cell + 1) * step


@dataclass(frozen=True)
class Laid:
    """Tokens without their features: the place of each, and the grids that the places refer to."""

    place_V4: Ints
    grids: tuple[Grid, ...]

    def __len__(self) -> int:
        return len(self.place_V4)

    def items(self) -> Ints:
        """The item of each token."""
        return np.array([g.item for g in self.grids], np.int64)[self.place_V4[:, 0]]

    def shown(self) -> np.ndarray:
        """Which tokens show something."""
        return np.array([g.shows for g in self.grids], bool)[self.place_V4[:, 0]]

    def counts(self, items: int) -> list[int]:
        """How many tokens each of so many items has that show something of it."""
        counts: list[int] = np.bincount(self.items()[self.shown()], minlength=items).tolist()
        return counts


NOTHING = Laid(np.zeros((0, 4), np.int64), ())
"""Where there are no visual tokens."""


@dataclass(frozen=True)
class Route:
    """One connector step as an index: token v that leaves is made of the tokens index_VM[v] that entered, in the shares
    weight_VM[v] where the step adds them up."""

    index_VM: Ints
    laid: Laid
    weight_VM: Floats | None = None


def raster(grids: Sequence[Grid]) -> Laid:
    """The cells of all grids, in order of t, then rows, then columns."""
    parts = []
    for number, grid in enumerate(grids):
        t, y, x = np.indices((grid.t, grid.h, grid.w), np.int64).reshape(3, -1)
        parts.append(np.stack([np.full_like(t, number), t, y, x], 1))
    return Laid(np.concatenate(parts) if parts else np.zeros((0, 4), np.int64), tuple(grids))


def encoded(encoder: Encoder, grids: Sequence[Grid]) -> Laid:
    """What leaves an encoder: the cells, and before the cells of each step of time their class token and registers where
    those are kept."""
    if isinstance(encoder, ByKind):
        parts = [encoded(encoder.clips if grid.moves else encoder.pictures, [grid]).place_V4 for grid in grids]
        numbered = [part + np.array([[number, 0, 0, 0]]) for number, part in enumerate(parts)]
        return Laid(np.concatenate(numbered) if parts else np.zeros((0, 4), np.int64), tuple(grids))
    if isinstance(encoder, Both):
        return encoded(encoder.low, grids[::2])
    if isinstance(encoder, TiledViT):
        grids = [tile for canvas in canvases(grids) for tile in filled(canvas, encoder.most)]
    if isinstance(encoder, Swin):
        return raster([coarser(grid, encoder.merged) for grid in grids])
    laid = raster(grids)
    if not isinstance(encoder, TiledViT) and (not isinstance(encoder, ViT) or encoder.cls != "keep"):
        return laid
    steps = [(number, t, grid) for number, grid in enumerate(grids) for t in range(grid.t)]
    starts = np.repeat(np.cumsum([0, *(grid.h * grid.w for _, _, grid in steps)])[:-1], encoder.extra)
    tokens = [(number, t if grid.moves else WHOLE, WHOLE, WHOLE) for number, t, grid in steps for _ in range(encoder.extra)]
    return Laid(np.insert(laid.place_V4, starts, np.array(tokens, np.int64).reshape(-1, 4), axis=0), laid.grids)


def thousandths(laid: Laid) -> Ints:
    """The box of each token in thousandths of its view, cut to whole ones, [V, 4]; what stands for a whole view lies one inside
    its edges, as LayoutLMv3 (arXiv:2204.08387) has it."""
    sides = np.array([(grid.w, grid.h) for grid in laid.grids], np.int64).reshape(-1, 2)[laid.place_V4[:, 0]]
    corner = laid.place_V4[:, :1:-1]
    boxes = np.concatenate([corner * 1000 // sides, (corner + 1) * 1000 // sides], 1)
    return np.where((corner == WHOLE).any(1, keepdims=True), np.array([[1, 1, 999, 999]]), boxes)


def canvases(grids: Sequence[Grid]) -> list[list[Grid]]:
    """The tiles of each picture."""
    return [list(tiles) for _, tiles in groupby(grids, key=lambda grid: grid.item)]


def filled(tiles: Sequence[Grid], most: int) -> list[Grid]:
    """A picture's tiles and the unused ones after them."""
    return [*tiles, *[replace(tiles[-1], box=NOWHERE)] * (most - len(tiles))]


def tiling(tiles: Sequence[Grid]) -> tuple[int, int]:
    """The (rows, columns) of tiles that were cut row by row."""
    columns = len({tile.box.x0 for tile in tiles})
    return len(tiles) // columns, columns


def coarser(grid: Grid, side: int) -> Grid:
    """The same view in cells of `side` x `side` of its own, the last of which may reach beyond its edge."""
    h, w, box = -(-grid.h // side), -(-grid.w // side), grid.box
    down, across = h * side / grid.h, w * side / grid.w
    match grid.turn:
        case "upright":
            wide, high = (box.x1 - box.x0) * across, (box.y1 - box.y0) * down
            box = replace(box, x1=box.x0 + wide, y1=box.y0 + high)
        case "clockwise":
            wide, high = (box.x1 - box.x0) * down, (box.y1 - box.y0) * across
            box = replace(box, x1=box.x0 + wide, y0=box.y1 - high)
    return replace(grid, h=h, w=w, box=box)


def drawn(grid: Grid, patch: int, size: tuple[int, int]) -> tuple[int, int]:
    """How many pixels, (height, width), a picture of that (width, height) has in a view whose last cells reach beyond it."""
    width, height = size
    high, wide = grid.h * patch * height / (grid.box.y1 - grid.box.y0), grid.w * patch * width / (grid.box.x1 - grid.box.x0)
    return round(high), round(wide)


def fractions(laid: Laid) -> Floats:
    """The box of each cell as fractions of its view, [V, 4]."""
    sides = np.array([(grid.w, grid.h) for grid in laid.grids], np.float32).reshape(-1, 2)[laid.place_V4[:, 0]]
    corner = laid.place_V4[:, :1:-1].astype(np.float32)
    return np.concatenate([corner / sides, (corner + 1) / sides], 1)


def route(step: Step, laid: Laid, sizes: Sequence[tuple[int, int]]) -> Route:
    """How one connector step moves tokens. `sizes` are the items' upright (width, height), which unpadding needs."""
    match step:
        case Mlp() | Normed() | Align() | Bend() | Recut() | Unit() | Times():
            return Route(np.arange(len(laid), dtype=np.int64)[:, None], laid)
        case Placed():
            return _placed(step, laid)
        case Enclose():
            return _enclose(laid)
        case Merge():
            return _merge(step, laid)
        case JoinTiles(keeps):
            return _join(step, laid, [None] * len(sizes) if keeps == "canvas" else sizes)
        case PoolClips():
            return _pool_clips(step, laid)
        case Resampler() | Reader() | Asker():
            return _resample(_each(step.queries, laid), laid)
        case PoolTime():
            return _pool_time(step, laid)
        case PoolSquares(side):
            return _pool_squares(side, laid)
        case RowsOfTiles():
            return _rows_of_tiles(step, laid)
        case TwoMeans():
            return _two_means(step, laid)
        case QFormer():
            return _resample(_each(step.queries + step.added, laid), laid)
        case MergeAlike(ratio) | Prune(ratio):
            return _resample([-(-len(cells) // ratio) for cells in _cells(laid)], laid)
        case MergeFrames(frames):
            return _merge_frames(frames, laid)
        case EndRows():
            return _end_rows(laid)
        case EndFrames():
            return _end_frames(laid)


def _end_rows(laid: Laid) -> Route:
    """One more token after each row of cells."""
    indices, places, start = [], [], 0
    for number, grid in enumerate(laid.grids):
        cells = start + np.arange(grid.cells, dtype=np.int64).reshape(grid.t, grid.h, grid.w)
        indices.append(np.pad(cells, ((0, 0), (0, 0), (0, 1)), constant_values=NEWLINE).reshape(-1, 1))
        t, y, x = np.indices((grid.t, grid.h, grid.w + 1), np.int64).reshape(3, -1)
        places.append(np.stack([np.full_like(t, number), t, y, np.where(x == grid.w, WHOLE, x)], 1))
        start += grid.cells
    if not indices:
        return Route(np.zeros((0, 1), np.int64), laid)
    return Route(np.concatenate(indices), Laid(np.concatenate(places), laid.grids))


def _end_frames(laid: Laid) -> Route:
    """One more token after each frame, another one after the last."""
    indices, places, start = [], [], 0
    for number, grid in enumerate(laid.grids):
        cells = start + np.arange(grid.cells, dtype=np.int64).reshape(grid.t, -1)
        ends_T = np.full(grid.t, NEWLINE)
        ends_T[-1] = BREAK
        indices.append(np.concatenate([cells, ends_T[:, None]], 1).reshape(-1, 1))
        own_TP4 = laid.place_V4[start : start + grid.cells].reshape(grid.t, -1, 4)
        end_T14 = np.full((grid.t, 1, 4), WHOLE)
        end_T14[:, 0, 0], end_T14[:-1, 0, 1] = number, np.arange(grid.t - 1)
        places.append(np.concatenate([own_TP4, end_T14], 1).reshape(-1, 4))
        start += grid.cells
    if not indices:
        return Route(np.zeros((0, 1), np.int64), laid)
    return Route(np.concatenate(indices), Laid(np.concatenate(places), laid.grids))


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
                raise BadPicture(f"a view of {size} {name}, and this model knows places of {most}: show it smaller")
    return Route(np.arange(len(laid), dtype=np.int64)[:, None], laid)


def _enclose(laid: Laid) -> Route:
    """Every view's tokens between two that stand for the whole of it."""
    indices: list[Ints] = []
    places: list[Ints] = []
    for number, cells in enumerate(_cells(laid)):
        whole = np.array([[number, WHOLE, WHOLE, WHOLE]], np.int64)
        indices += [np.array([OPENING]), cells, np.array([CLOSING])]
        places += [whole, laid.place_V4[cells], whole]
    if not places:
        return Route(np.zeros((0, 1), np.int64), laid)
    return Route(np.concatenate(indices)[:, None], Laid(np.concatenate(places), laid.grids))


def _merge(step: Merge, laid: Laid) -> Route:
    indices, places, grids, start, side = [], [], [], 0, step.side
    for number, grid in enumerate(laid.grids):
        if step.odd == "refused" and (grid.h % side or grid.w % side):
            message = (
                f"a grid of {grid.h} x {grid.w} patches cannot be merged {side} by {side}: "
                "choose a resolution whose patches divide evenly"
            )
            raise BadPicture(message)
        high, wide = -(-grid.h // side), -(-grid.w // side)
        small = replace(grid, h=high, w=wide, box=_reached(grid, high * side, wide * side))
        cells = (start + np.arange(grid.cells, dtype=np.int64)).reshape(grid.t, grid.h, grid.w)
        filled = np.pad(cells, ((0, 0), (0, high * side - grid.h), (0, wide * side - grid.w)), constant_values=NEWLINE)
        blocks = filled.reshape(grid.t, small.h, side, small.w, side).transpose(0, 1, 3, 2, 4)
        indices.append(blocks.reshape(-1, side * side))
        t, y, x = np.indices((small.t, small.h, small.w), np.int64).reshape(3, -1)
        places.append(np.stack([np.full_like(t, number), t, y, x], 1))
        grids.append(small)
        start += grid.cells
    if not grids:
        return Route(np.zeros((0, side * side), np.int64), laid)
    return Route(np.concatenate(indices), Laid(np.concatenate(places), tuple(grids)))


def _reached(grid: Grid, high: int, wide: int) -> Box:
    """What `high` x `wide` cells of a grid's own size show from its corner on."""
    box = grid.box
    x1 = box.x1 if wide == grid.w else box.x0 + (box.x1 - box.x0) / grid.w * wide
    y1 = box.y1 if high == grid.h else box.y0 + (box.y1 - box.y0) / grid.h * high
    return replace(box, x1=x1, y1=y1)


def _pool_clips(step: PoolClips, laid: Laid) -> Route:
    """Pictures' tokens go through alone; those of a frame's squares together."""
    if not any(grid.moves for grid in laid.grids):
        return Route(np.arange(len(laid), dtype=np.int64)[:, None], laid)
    joined = step.side**2 if step.how != "bilinear" else 4
    indices, weights, places, grids = [], [], [], []
    for number, (grid, cells) in enumerate(zip(laid.grids, _cells(laid), strict=True)):
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


def _each(queries: int, laid: Laid) -> list[int]:
    return [queries] * len(laid.grids)


def _resample(counts: Sequence[int], laid: Laid) -> Route:
    """Every view leaves so many tokens, each made of all of its own; rows of fewer than the longest end in NEWLINE."""
    cells = _cells(laid)
    index_VM = np.full((sum(counts), max(map(len, cells), default=0)), NEWLINE, np.int64)
    start = 0
    for count, here in zip(counts, cells, strict=True):
        index_VM[start : start + count, : len(here)] = here
        start += count
    place_V4 = np.full((len(index_VM), 4), WHOLE, np.int64)
    place_V4[:, 0] = np.repeat(np.arange(len(cells)), counts)
    return Route(index_VM, Laid(place_V4, laid.grids))


def _merge_frames(frames: int, laid: Laid) -> Route:
    """Tokens of frames that go together, in equal shares; a frame that the last group lacks is its first once more, of none."""
    if not laid.grids:
        return Route(np.zeros((0, 1), np.int64), laid)
    indices, weights, places, grids = [], [], [], []
    for grid, cells in zip(laid.grids, _cells(laid), strict=True):
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


def _pool_time(step: PoolTime, laid: Laid) -> Route:
    """Every grid becomes one of the step's own shape."""
    if not laid.grids:
        return Route(np.zeros((0, 1), np.int64), laid)
    indices, weights, places, grids = [], [], [], []
    for number, (grid, cells) in enumerate(zip(laid.grids, _cells(laid), strict=True)):
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
    index_VM, weight_VM = _widened(indices, 0), _widened(weights, 0)
    return Route(index_VM, Laid(np.concatenate(places), tuple(grids)), weight_VM)


def _pool_squares(side: int, laid: Laid) -> Route:
    if not laid.grids:
        return Route(np.zeros((0, 1), np.int64), laid)
    indices: list[Ints] = []
    grids: list[Grid] = []
    for grid, cells in zip(laid.grids, _cells(laid), strict=True):
        if len(cells) != grid.cells:
            lies = f"{len(cells)} tokens of a view of {grid.t} x {grid.h} x {grid.w} cells"
            raise BadPicture(f"{lies} make no squares to pool: merge-alike or prune them, or pool before what changed them")
        high, wide = -(-grid.h // side), -(-grid.w // side)
        edges = ((0, 0), (0, high * side - grid.h), (0, wide * side - grid.w))
        mirrored = np.pad(cells.reshape(grid.t, grid.h, grid.w), edges, "reflect")
        indices.append(mirrored.reshape(grid.t, high, side, wide, side).transpose(0, 1, 3, 2, 4).reshape(-1, side * side))
        seen = None if grid.seen is None else (-(-grid.seen[0] // side), -(-grid.seen[1] // side))
        grids.append(replace(grid, h=high, w=wide, seen=seen))
    index_VM = np.concatenate(indices)
    return Route(index_VM, raster(grids), np.full(index_VM.shape, 1 / side**2, np.float32))


def _rows_of_tiles(step: RowsOfTiles, laid: Laid) -> Route:
    if not laid.grids:
        return Route(np.zeros((0, 1), np.int64), laid)
    indices: list[Ints] = []
    places: list[Ints] = []
    grids: list[Grid] = []
    for (base, base_cells), *tiles in _by_item(laid):
        parts = [(base_cells.reshape(base.h, base.w), base)]
        if tiles:
            whole, canvas = _canvas(tiles)
            high = sum(grid.shown[0] for grid, _ in tiles if grid.box.x0 == canvas.box.x0)
            wide = sum(grid.shown[1] for grid, _ in tiles if grid.box.y0 == canvas.box.y0)
            end = canvas.cell(high - 1, wide - 1)
            kept = replace(canvas, h=high, w=wide, box=replace(canvas.box, x1=end.x1, y1=end.y1))
            parts.insert(0 if step.first == "tiles" else 1, (whole[:high, :wide], kept))
        for number, (cells_HW, grid) in enumerate(parts):
            if number:
                indices.append(np.array([BREAK]))
                places.append(np.array([[len(grids) - 1, WHOLE, WHOLE, WHOLE]]))
            indices.append(np.pad(cells_HW, ((0, 0), (0, 1)), constant_values=NEWLINE).reshape(-1))
            places.append(_with_ends(grid, len(grids)))
            grids.append(grid)
    return Route(np.concatenate(indices)[:, None], Laid(np.concatenate(places), tuple(grids)))


def _with_ends(grid: Grid, number: int) -> Ints:
    """The places of a grid's cells, each row of them followed by its own end."""
    y, x = np.indices((grid.h, grid.w + 1), np.int64).reshape(2, -1)
    return np.stack([np.full_like(y, number), np.zeros_like(y), y, np.where(x == grid.w, WHOLE, x)], 1)


def _times(grid: Grid, frames: Ints) -> tuple[float, ...]:
    """When these frames of a clip were; nothing for a picture."""
    return tuple(grid.times[frame] for frame in frames.tolist()) if grid.moves else ()


def _widened(parts: Sequence[np.ndarray[Any, Any]], filler: int) -> Any:
    """Arrays of unequal width, one under the other, the narrow ones filled up."""
    width = max(part.shape[1] for part in parts)
    return np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=filler) for part in parts])


def _two_means(step: TwoMeans, laid: Laid) -> Route:
    """Rows of fewer tokens than the longest one end in NEWLINE; those of frames that a clip lacks are nothing else."""
    if not laid.grids:
        return Route(np.zeros((0, 1), np.int64), laid)
    indices, places = [], []
    for number, (grid, cells) in enumerate(zip(laid.grids, _cells(laid), strict=True)):
        frames = cells.reshape(grid.t, grid.h * grid.w)
        absent = np.full((max(step.steps - grid.t, 0), 1), NEWLINE, np.int64)
        indices += [frames, absent, frames.T]
        place_V4 = np.full((len(frames) + len(absent) + frames.shape[1], 4), WHOLE, np.int64)
        place_V4[:, 0] = number
        place_V4[: grid.t, 1] = np.arange(grid.t)
        place_V4[-frames.shape[1] :, 2:] = np.indices((grid.h, grid.w), np.int64).reshape(2, -1).T
        places.append(place_V4)
    return Route(_widened(indices, NEWLINE), Laid(np.concatenate(places), laid.grids))


def _cells(laid: Laid) -> list[Ints]:
    """The positions of each grid's tokens."""
    if not laid.grids:
        return []
    order = np.argsort(laid.place_V4[:, 0], kind="stable")
    return np.split(order, np.cumsum(np.bincount(laid.place_V4[:, 0], minlength=len(laid.grids)))[:-1])


def _join(step: JoinTiles, laid: Laid, sizes: Sequence[tuple[int, int] | None]) -> Route:
    """`sizes` of the pictures that padding is to be cut from; none where the whole canvas stays."""
    if not laid.grids:
        return Route(np.zeros((0, 1), np.int64), laid)
    indices: list[Ints] = []
    weights: list[Floats] = []
    places: list[Ints] = []
    grids: list[Grid] = []
    for views in _by_item(laid):
        (base, base_cells), *tiles = views
        base_V4 = laid.place_V4[base_cells]
        base_V4[:, 0] = len(grids)
        places.append(base_V4)
        indices.append(base_cells[:, None])
        weights.append(_ALONE.repeat(len(base_cells), 0))
        if base.moves and step.clips == "closed":
            places.append(np.array([[len(grids), WHOLE, WHOLE, WHOLE]], np.int64))
            indices.append(np.array([[NEWLINE]], np.int64))
            weights.append(_ALONE)
        grids.append(base)
        if tiles:
            index_VM, weight_VM, place_V4, grid = _assemble(tiles, sizes[base.item], step.most)
            indices.append(index_VM)
            weights.append(weight_VM)
            place_V4[:, 0] = len(grids)
            places.append(place_V4)
            grids.append(grid)
    laid = Laid(np.concatenate(places), tuple(grids))
    if all(index.shape[1] == 1 for index in indices):
        return Route(np.concatenate(indices), laid)
    index_VM = np.concatenate([index if index.shape[1] == 4 else index.repeat(4, 1) for index in indices])
    weight_VM = np.concatenate([w if w.shape[1] == 4 else np.pad(w, ((0, 0), (0, 3))) for w in weights])
    return Route(index_VM, laid, weight_VM)


_ALONE = np.ones((1, 1), np.float32)


def _by_item(laid: Laid) -> Iterator[list[tuple[Grid, Ints]]]:
    """Each item's grids, with the positions of their tokens."""
    for _, views in groupby(zip(laid.grids, _cells(laid), strict=True), key=lambda view: view[0].item):
        yield list(views)


def _assemble(
    tiles: Sequence[tuple[Grid, Ints]], size: tuple[int, int] | None, most: int | None
) -> tuple[Ints, Floats, Ints, Grid]:
    """Tiles as one canvas, or as the picture of that size on it, shrunk to about `most` tiles, a newline after every row."""
    first = tiles[0][0]
    whole, canvas = _canvas(tiles)
    if size is None:
        return whole.reshape(-1, 1), _ALONE.repeat(whole.size, 0), raster([canvas]).place_V4, canvas
    top, bottom, left, right = unpadded(canvas.h, canvas.w, *size)
    kept = whole[top:bottom, left:right]
    high, wide, index_VM, weight_VM = _shrunk(kept, None if most is None else most * first.h * first.w)
    joined = index_VM.shape[1]
    ends_H1M = np.full((high, 1, joined), NEWLINE)
    index_VM = np.concatenate([index_VM.reshape(high, wide, joined), ends_H1M], 1).reshape(-1, joined)
    weight_VM = np.pad(weight_VM.reshape(high, wide, joined), ((0, 0), (0, 1), (0, 0))).reshape(-1, joined)
    corner, end = canvas.cell(top, left), canvas.cell(bottom - 1, right - 1)
    grid = Grid(first.item, 1, high, wide, Box(corner.x0, corner.y0, end.x1, end.y1))
    return index_VM, weight_VM, _with_ends(grid, 0), grid


def _canvas(tiles: Sequence[tuple[Grid, Ints]]) -> tuple[Ints, Grid]:
    """The positions of tiles' tokens as one picture's, and its grid."""
    first, last = tiles[0][0], tiles[-1][0]
    columns = round((last.box.x1 - first.box.x0) / (first.box.x1 - first.box.x0))
    rows = len(tiles) // columns
    stacked = np.stack([cells.reshape(first.h, first.w) for _, cells in tiles]).reshape(rows, columns, first.h, first.w)
    whole = stacked.transpose(0, 2, 1, 3).reshape(rows * first.h, columns * first.w)
    return whole, Grid(first.item, 1, *whole.shape, replace(last.box, x0=first.box.x0, y0=first.box.y0))


def _shrunk(cells_HW: Ints, room: int | None) -> tuple[int, int, Ints, Floats]:
    """Rows and columns of a picture's tokens, and what each is made of: itself, or four neighbours where the picture has more
    than 1.1 squared times as many tokens as there is room for."""
    high, wide = cells_HW.shape
    ratio = 0.0 if room is None else math.sqrt(high * wide / room)
    if ratio <= 1.1:
        return high, wide, cells_HW.reshape(-1, 1), _ALONE.repeat(cells_HW.size, 0)
    small_high, small_wide = int(high // ratio), int(wide // ratio)
    index_VM, weight_VM = bilinear(high, wide, small_high, small_wide)
    return small_high, small_wide, cells_HW.reshape(-1)[index_VM], weight_VM


def unpadded(rows: int, columns: int, width: int, height: int) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of the cells of a padded canvas that show a picture of `width` x `height`.

    The rounding is LLaVA-NeXT's: the kept side is computed to seven decimals and cut, padding taken equally off both ends.
    """
    if width / height > columns / rows:
        kept = int(round(height * (columns / width), 7))
        pad = (rows - kept) // 2
        return pad, rows - pad, 0, columns
    kept = int(round(width * (rows / height), 7))
    pad = (columns - kept) // 2
    return 0, rows, pad, columns - pad
