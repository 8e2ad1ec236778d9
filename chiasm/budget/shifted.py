"""The arithmetic of Swin, as `work` counts it: cells that fill windows up are projected and compared like any other."""

from __future__ import annotations

from collections.abc import Sequence

from chiasm.place import Grid
from chiasm.spec import Swin


def shifted(encoder: Swin, grids: Sequence[Grid]) -> tuple[int, int]:
    """Linear layers and attention."""
    parts = [_picture(encoder, grid.h, grid.w) for grid in grids]
    return sum(linear for linear, _ in parts), sum(attention for _, attention in parts)


def _picture(encoder: Swin, height: int, width: int) -> tuple[int, int]:
    linear, attention, side = 2 * height * width * 3 * encoder.patch**2 * encoder.block.width, 0, encoder.window
    for stage, depth in enumerate(encoder.depths):
        block = encoder.block_of(stage)
        if stage:
            height, width = -(-height // 2), -(-width // 2)
            linear += 2 * height * width * 2 * block.width * block.width
        filled = -(-height // side) * side * -(-width // side) * side
        linear += depth * 2 * block.width * (4 * filled * block.width + 2 * height * width * block.mlp_width)
        attention += depth * 4 * filled * side**2 * block.width
    return linear, attention
