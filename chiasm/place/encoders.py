"""What leaves an encoder, by the grids that it is shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chiasm.place.grids import WHOLE, Grid, canvases, coarser, filled
from chiasm.place.laid import Laid, raster
from chiasm.spec import Both, ByKind, Encoder, MergingViT, Swin, TiledViT, ViT


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
    if isinstance(encoder, Swin | MergingViT):
        return raster([coarser(grid, encoder.merged) for grid in grids])
    laid = raster(grids)
    if not isinstance(encoder, TiledViT) and (not isinstance(encoder, ViT) or encoder.cls != "keep"):
        return laid
    steps = [(number, t, grid) for number, grid in enumerate(grids) for t in range(grid.t)]
    starts = np.repeat(np.cumsum([0, *(grid.h * grid.w for _, _, grid in steps)])[:-1], encoder.extra)
    tokens = [(number, t if grid.moves else WHOLE, WHOLE, WHOLE) for number, t, grid in steps for _ in range(encoder.extra)]
    return Laid(np.insert(laid.place_V4, starts, np.array(tokens, np.int64).reshape(-1, 4), axis=0), laid.grids)
