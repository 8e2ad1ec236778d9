"""The views of a picture, for every kind of them."""

from __future__ import annotations

from dataclasses import replace

from chiasm.geometry.cuts import slices, tile_grid
from chiasm.geometry.fixed import corner_size, letterbox, low_high, resize, sheet
from chiasm.geometry.narrowed import narrowed, narrows
from chiasm.geometry.own import bounded, budget_size, fitted, longest_raised, native_size, parts_of, shortest
from chiasm.geometry.sizes import Size
from chiasm.geometry.strokes import Blank, Scale, View, view_of
from chiasm.geometry.tiles import candidates, cover_tiles, dynamic_tiles, on_canvas, pinpoints
from chiasm.spec import (
    Bounded,
    Budget,
    Candidates,
    Canvas,
    Corner,
    CoverTiles,
    DynamicTiles,
    Encoder,
    Fitted,
    Letterbox,
    Longest,
    LowHigh,
    Native,
    Pinpoints,
    Pixels,
    Resize,
    Sheet,
    Shortest,
    Slices,
    TileGrid,
    Views,
)


def views(spec: Views, pixels: Pixels, encoder: Encoder, size: Size, item: int) -> tuple[View, ...]:
    """The views of one picture in the order in which the family feeds them. Raises `BadPicture` for a size that the
    reference refuses too.

    A picture that is given a share gets fewer tiles or pixels; where all are shown alike, its grids say how many tokens go on.
    """
    if size.share < 1 and narrows(spec):
        return views(narrowed(spec, size), pixels, encoder, replace(size, share=1.0), item)
    found = _views(spec, pixels, encoder, size, item)
    return found if size.share == 1 else tuple(replace(one, grid=replace(one.grid, share=size.share)) for one in found)


def _views(spec: Views, pixels: Pixels, encoder: Encoder, size: Size, item: int) -> tuple[View, ...]:
    match spec:
        case Resize():
            strokes = [resize(spec, pixels, size)]
        case Canvas():
            strokes = on_canvas(spec, size)
        case Pinpoints():
            strokes = pinpoints(spec, size)
        case TileGrid():
            strokes = tile_grid(spec, size)
        case Native():
            strokes = [(Scale(*native_size(spec, size)),)]
        case Budget():
            strokes = [(Scale(*budget_size(spec, size)),)]
        case DynamicTiles():
            strokes = dynamic_tiles(spec, size)
        case Longest():
            strokes = [(Scale(*longest_raised(spec, size)),)]
        case Bounded():
            strokes = [bounded(spec, part, encoder.patch) for part in parts_of(spec, size)]
        case Letterbox():
            strokes = [letterbox(spec, pixels, size)]
        case Slices():
            strokes = slices(spec, encoder.patch, size)
        case Corner(side):
            strokes = [(Scale(*corner_size(spec, size)), Blank(side, side))]
        case Fitted():
            strokes = [fitted(spec, size, encoder.patch)]
        case CoverTiles():
            return cover_tiles(spec, pixels, encoder, size, item)
        case Candidates():
            strokes = candidates(spec, pixels, size)
        case Shortest():
            strokes = [shortest(spec, size, encoder.patch)]
        case Sheet():
            strokes = [sheet(spec, size)]
        case LowHigh():
            return low_high(spec, pixels, encoder, size, item)
    return tuple(view_of(s, encoder.patch, pixels, size, item) for s in strokes)
