"""Places of patches in clips: sines counted through the whole clip, and tables that began as such (arXiv:2303.16058)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.layers.begun import Begun
from chiasm.place import Grid
from chiasm.spec import ClipSines, ClipTable
from chiasm.vision.position import resized


def sines(cells: int, width: int) -> Tensor:
    """A vector for each of so many cells in one line, sines and cosines by turns, [cells, E]; the angles in float64."""
    angles = np.arange(cells)[:, None] / np.power(10000, 2 * (np.arange(width) // 2) / width)
    angles[:, 0::2], angles[:, 1::2] = np.sin(angles[:, 0::2]), np.cos(angles[:, 1::2])
    return torch.from_numpy(angles).float()


def stretched(table: Tensor, frames: int, side: int, t: int, h: int, w: int) -> Tensor:
    """A table of `frames` grids of `side` x `side` cells for `t` grids of `h` x `w`: over space, then over time, [t h w, E]."""
    grids = [resized(grid, side, h, w) for grid in table.unflatten(0, (frames, -1))]
    if t == frames:
        return torch.cat(grids)
    by_cell = torch.stack(grids, -1).float()
    return F.interpolate(by_cell, size=t, mode="linear").permute(2, 0, 1).flatten(0, 1).to(table.dtype)


class SinePlaces(nn.Module):
    """Computed for each grid anew."""

    def __init__(self, spec: ClipSines, width: int) -> None:
        super().__init__()
        self.spec, self.width = spec, width

    def forward(self, grids: Sequence[Grid]) -> Tensor:
        """What is added to the patches of all grids, [P, E]."""
        return torch.cat([self.of(grid.t, grid.h, grid.w) for grid in grids])

    def of(self, t: int, h: int, w: int) -> Tensor:
        """The places of a grid of t x h x w cells, [t * h * w, E]."""
        frames = 1 if t == 1 else self.spec.frames
        return stretched(sines(frames * self.spec.side**2, self.width), frames, self.spec.side, t, h, w)


class TablePlaces(Begun):
    """Learned for clips of one length and for pictures."""

    def __init__(self, spec: ClipTable, width: int) -> None:
        super().__init__()
        self.spec = spec
        self.clips = nn.Parameter(torch.zeros(spec.frames * spec.side**2, width))
        self.pictures = nn.Parameter(torch.zeros(spec.side**2, width))

    def begun(self) -> dict[str, Tensor]:
        """What both tables hold before training: the sines."""
        spec, sine = self.spec, SinePlaces(self.spec.begun, self.clips.shape[1])
        with torch.device("cpu"):
            clips, pictures = (sine.of(frames, spec.side, spec.side) for frames in (spec.frames, 1))
        return {"clips": clips, "pictures": pictures}

    def forward(self, grids: Sequence[Grid]) -> Tensor:
        """What is added to the patches of all grids, [P, E]."""
        return torch.cat([self._of(grid) for grid in grids])

    def _of(self, grid: Grid) -> Tensor:
        table, frames = (self.pictures, 1) if grid.t == 1 else (self.clips, self.spec.frames)
        return stretched(table, frames, self.spec.side, grid.t, grid.h, grid.w)
