"""The arithmetic of CLIP's ResNets, as `work` counts it."""

from __future__ import annotations

from collections.abc import Sequence

from chiasm.place import Grid
from chiasm.spec import ResNet


def residual(encoder: ResNet, grids: Sequence[Grid]) -> int:
    """Convolutions; nothing attends. A stage's first block is half as large each way from its last convolution on."""
    cells, half = sum(grid.cells for grid in grids), encoder.stem // 2
    places = cells * (encoder.patch // 2) ** 2
    total, into = 18 * places * half * (3 + half + encoder.stem), encoder.stem
    places //= 4
    for number, blocks in enumerate(encoder.blocks):
        inside, entered = encoder.stem * 2**number, places
        places = places if number == 0 else places // 4
        for _ in range(blocks):
            shortcut = into if entered != places or into != 4 * inside else 0
            total += 2 * entered * inside * (into + 9 * inside) + 8 * places * inside * (inside + shortcut)
            into, entered = 4 * inside, places
    return total
