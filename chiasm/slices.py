"""How MiniCPM-V slices a picture (arXiv:2403.11703), in numbers alone, rounded where the reference rounds."""

from __future__ import annotations

import math


def grid_of(width: int, height: int, side: int, most: int) -> tuple[int, int] | None:
    """(columns, rows) of the slices whose shape is nearest to the picture's, one slice more or fewer than its area asks for;
    none where the whole is enough."""
    wanted = min(math.ceil(width * height / (side * side)), most)
    if wanted <= 1:
        return None
    shape = math.log(width / height)
    counts = [count for count in (wanted - 1, wanted, wanted + 1) if 1 < count <= most]
    grids = [(columns, count // columns) for count in counts for columns in range(1, count + 1) if count % columns == 0]
    return min(grids, key=lambda grid: abs(shape - math.log(grid[0] / grid[1])))


def whole_size(width: int, height: int, side: int, patch: int) -> tuple[int, int]:
    """Height and width of the whole picture: about `side` squared pixels, whether there are slices or not."""
    return _area(width / height, side, patch)


def sliced_size(width: int, height: int, grid: tuple[int, int], side: int, patch: int) -> tuple[int, int]:
    """Height and width of one slice, about `side` squared pixels."""
    columns, rows = grid
    return _area((_to_patches(width, columns) / columns) / (_to_patches(height, rows) / rows), side, patch)


def _area(shape: float, side: int, patch: int) -> tuple[int, int]:
    """Height and width of about `side` squared pixels in a shape, width over height, in whole patches."""
    height = int(side / math.sqrt(shape))
    return _to_patches(height, patch), _to_patches(int(height * shape), patch)


def _to_patches(edge: int, patch: int) -> int:
    return max(round(edge / patch) * patch, patch)
