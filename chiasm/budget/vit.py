"""The arithmetic of vision transformers, as `work` counts it: over grids, in windows, in time, over canvases of tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chiasm.budget.blocks import attention_of, linear_of, projections_of
from chiasm.place import Grid, canvases, coarser
from chiasm.spec import Block, Divided, MergingViT, TiledViT, ViT, Windows


def vit(encoder: ViT, grids: Sequence[Grid]) -> tuple[int, int]:
    """Linear layers and attention; blocks after the last tap do not run."""
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
    linear = 2 * cells * depth_of_patch * encoder.block.width + run * linear_of(encoder.block, tokens)
    if isinstance(encoder.sees, Divided):
        more = _in_time(encoder.block, [grid for grid in grids if grid.t > 1])
        return linear + run * more[0], run * (more[1] + attention_of(encoder.block, whole))
    if encoder.windows is None:
        return linear, run * attention_of(encoder.block, whole)
    full = sum(1 for index in encoder.windows.full if index < run)
    inside = sum(grid.t * _pairs(grid, encoder.windows) for grid in grids)
    return linear, full * attention_of(encoder.block, whole) + (run - full) * attention_of(encoder.block, inside)


def _in_time(block: Block, clips: Sequence[Grid]) -> tuple[int, int]:
    """Attention in time of one block: among the steps of each cell, with a projection more than others have."""
    cells, heads = sum(grid.cells for grid in clips), block.heads * block.value_width
    linear = projections_of(block, cells) + 2 * cells * block.width * (heads + block.width)
    return linear, attention_of(block, sum(grid.cells * grid.t for grid in clips))


def tiled_vit(encoder: TiledViT, grids: Sequence[Grid]) -> tuple[int, int]:
    """Linear layers and attention. Every picture is a canvas of all its tiles, each filled up to a multiple of eight tokens."""
    pictures, cells, block = len(canvases(grids)), sum(grid.cells for grid in grids), encoder.block
    tokens = encoder.most * -(-(encoder.side**2 + 1) // 8) * 8
    depth = encoder.depth + encoder.wide
    linear = 2 * cells * encoder.channels * encoder.patch**2 * block.width + depth * linear_of(block, pictures * tokens)
    return linear, depth * attention_of(block, pictures * tokens**2)


def merging_vit(encoder: MergingViT, grids: Sequence[Grid]) -> tuple[int, int]:
    """Linear layers and attention: of the blocks before tokens are merged, of the merging, of the blocks after it."""
    if encoder.after is None:
        return vit(encoder.eye, grids)
    block, cells, side = encoder.eye.block, sum(grid.cells for grid in grids), encoder.side
    left = [coarser(grid, side) for grid in grids]
    tokens, rest = sum(grid.cells for grid in left), encoder.eye.depth - encoder.after
    linear, attention = vit(replace(encoder.eye, taps=(encoder.after,)), grids)
    joined = side**2 * block.width
    merging = projections_of(block, cells) + 2 * cells * block.width**2 + 2 * tokens * encoder.hidden * (joined + block.width)
    within = attention_of(block, cells * side**2) + rest * attention_of(block, sum(g.t * (g.h * g.w) ** 2 for g in left))
    return linear + merging + rest * linear_of(block, tokens), attention + within


def _pairs(grid: Grid, windows: Windows) -> int:
    """Pairs of cells that share a window: the squares of windows are products of the squares along both axes."""
    return _squares(grid.h, windows.side) * _squares(grid.w, windows.side)


def _squares(cells: int, side: int) -> int:
    whole, rest = divmod(cells, side)
    return whole * side**2 + rest**2
