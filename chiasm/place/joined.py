"""Routes that lay the tiles of a picture out as one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from chiasm.place.boxes import Box
from chiasm.place.ended import with_ends
from chiasm.place.grids import WHOLE, Grid
from chiasm.place.laid import Laid, raster
from chiasm.place.routes import BREAK, NEWLINE, Route, by_item
from chiasm.resample import Floats, Ints, bilinear
from chiasm.spec import JoinTiles, RowsOfTiles


def rows_of_tiles(step: RowsOfTiles, laid: Laid) -> Route:
    """The route of `spec.RowsOfTiles`: NEWLINE after each row, BREAK between a picture's tiles and its whole."""
    if not laid.grids:
        return Route(np.zeros((0, 1), np.int64), laid)
    indices: list[Ints] = []
    places: list[Ints] = []
    grids: list[Grid] = []
    for (base, base_cells), *tiles in by_item(laid):
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
            places.append(with_ends(grid, len(grids)))
            grids.append(grid)
    return Route(np.concatenate(indices)[:, None], Laid(np.concatenate(places), tuple(grids)))


def join(step: JoinTiles, laid: Laid, sizes: Sequence[tuple[int, int] | None]) -> Route:
    """`sizes` of the pictures that padding is to be cut from; none where the whole canvas stays."""
    if not laid.grids:
        return Route(np.zeros((0, 1), np.int64), laid)
    indices: list[Ints] = []
    weights: list[Floats] = []
    places: list[Ints] = []
    grids: list[Grid] = []
    for views in by_item(laid):
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
    return index_VM, weight_VM, with_ends(grid, 0), grid


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
