"""Swin (arXiv:2103.14030): a transformer of windows over ever coarser maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.layers.attention import Attention
from chiasm.layers.mlp import mlp
from chiasm.layers.norm import norm
from chiasm.place import Grid, Laid, encoded
from chiasm.spec import Block, Norm, Swin
from chiasm.vision.vit import Stem

BETWEEN = Norm("layer", 1e-5)
"""The norms outside of blocks, which no config speaks of."""

UNSEEN = -100.0
"""What is added to the score of a cell from the map's other end."""


class WindowAttention(nn.Module):
    """Attention inside windows of a map [B, H, W, D], a learned number per head and offset added to the scores.

    A map that windows do not fill is filled with zeros below and at the right. They take part as any cell does.
    """

    def __init__(self, spec: Block, window: int) -> None:
        super().__init__()
        self.window = window
        self.attention = Attention(spec)
        self.offset = nn.Parameter(torch.zeros((2 * window - 1) ** 2, spec.heads))

    def forward(self, x_BHWD: Tensor, shift: int) -> Tensor:
        """`shift`: by how many cells windows begin below and right of the map's corner, those at the end going on at the
        beginning without seeing it."""
        height, width, side = *x_BHWD.shape[1:3], self.window
        x_BHWD = F.pad(x_BHWD, (0, 0, 0, -width % side, 0, -height % side))
        if not shift:
            return self._mixed(x_BHWD, self._bias())[:, :height, :width]
        x_BHWD = x_BHWD.roll((-shift, -shift), (1, 2))
        rows, columns = (size // side - 1 for size in x_BHWD.shape[1:3])
        bands = []
        for ends_below, band in ((False, x_BHWD[:, : rows * side]), (True, x_BHWD[:, rows * side :])):
            parts = ((False, band[:, :, : columns * side]), (True, band[:, :, columns * side :]))
            bands.append(torch.cat([self._mixed(part, self._bias(shift, ends_below, right)) for right, part in parts], 2))
        return torch.cat(bands, 1).roll((shift, shift), (1, 2))[:, :height, :width]

    def _mixed(self, x_BHWD: Tensor, bias_1NTT: Tensor) -> Tensor:
        """Each window of a map by itself."""
        if not x_BHWD.numel():
            return x_BHWD
        side, (batch, height, width) = self.window, x_BHWD.shape[:3]
        windows = x_BHWD.unflatten(2, (-1, side)).unflatten(1, (-1, side)).transpose(2, 3)
        mixed: Tensor = self.attention(windows.reshape(-1, side * side, x_BHWD.shape[-1]), bias_1NTT)
        mixed = mixed.view(batch, height // side, width // side, side, side, -1)
        return mixed.transpose(2, 3).flatten(3, 4).flatten(1, 2)

    def _bias(self, shift: int = 0, ends_below: bool = False, ends_right: bool = False) -> Tensor:
        """What is added to the scores of a window's cells, [1, N, T, T]; in a window at an end of a shifted map, cells of
        the map's two ends hardly see one another."""
        side = self.window
        cell_T = torch.arange(side * side, device=self.offset.device)
        y_T, x_T = cell_T // side, cell_T % side
        away = (y_T[:, None] - y_T + side - 1) * (2 * side - 1) + (x_T[:, None] - x_T + side - 1)
        bias = self.offset[away].permute(2, 0, 1)[None]
        for ends, at in ((ends_below, y_T), (ends_right, x_T)):
            if ends:
                beyond = at >= side - shift
                bias = bias + (beyond[:, None] != beyond).to(bias.dtype) * UNSEEN
        return bias


class WindowBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), over maps [B, H, W, D]."""

    def __init__(self, spec: Block, window: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(spec.norm, spec.width), norm(spec.norm, spec.width)
        self.attention, self.mlp = WindowAttention(spec, window), mlp(spec)

    def forward(self, x_BHWD: Tensor, shift: int) -> Tensor:
        x_BHWD = x_BHWD + self.attention(self.norm1(x_BHWD), shift)
        out_BHWD: Tensor = x_BHWD + self.mlp(self.norm2(x_BHWD))
        return out_BHWD


class Halve(nn.Module):
    """Squares of four cells as one of twice their width, zeros where the map has an odd side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = norm(BETWEEN, 4 * width)
        self.reduce = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x_BHWD: Tensor) -> Tensor:
        height, width = x_BHWD.shape[1:3]
        x_BHWD = F.pad(x_BHWD, (0, 0, 0, width % 2, 0, height % 2))
        squares = torch.cat([x_BHWD[:, y::2, x::2] for x in range(2) for y in range(2)], -1)
        out: Tensor = self.reduce(self.norm(squares))
        return out


class Stage(nn.ModuleList):
    """Blocks over maps of one size, windows shifted in every second one."""

    def __init__(self, spec: Swin, number: int) -> None:
        super().__init__(WindowBlock(spec.block_of(number), spec.window) for _ in range(spec.depths[number]))
        self.spec = spec

    def forward(self, x_BHWD: Tensor) -> Tensor:
        still = self.spec.narrow == "still" and min(x_BHWD.shape[1:3]) <= self.spec.window
        for layer, block in enumerate(self):
            x_BHWD = block(x_BHWD, 0 if still or layer % 2 == 0 else self.spec.window // 2)
        return x_BHWD


class SwinTransformer(nn.Module):
    """Packed patches to the last stage's features, [P, E]; `maps` are those of every stage that leaves."""

    def __init__(self, spec: Swin) -> None:
        super().__init__()
        self.spec = spec
        stages = [spec.block_of(number) for number in range(len(spec.depths))]
        self.stem = Stem((stages[0].width, 3, spec.patch, spec.patch), bias=True)
        self.stem_norm = norm(BETWEEN, stages[0].width)
        self.stages = nn.ModuleList(Stage(spec, number) for number in range(len(spec.depths)))
        self.halves = nn.ModuleList(Halve(block.width) for block in stages[:-1])
        self.norms = nn.ModuleList(norm(BETWEEN, stages[number - 1].width) for number in spec.normed)

    def maps(self, patches_BHWK: Tensor) -> list[Tensor]:
        """From patches laid out as pictures of one size to maps [B, H, W, D], the finest first."""
        x_BHWD = self.stem_norm(self.stem(patches_BHWK))
        maps = []
        for number, stage in enumerate(self.stages):
            x_BHWD = stage(self.halves[number - 1](x_BHWD) if number else x_BHWD)
            maps.append(x_BHWD)
        if not self.spec.normed:
            return maps[-1:]
        return [norm(maps[number - 1]) for number, norm in zip(self.spec.normed, self.norms, strict=True)]

    def forward(self, patches_PK: Tensor, grids: Sequence[Grid]) -> Tensor:
        parts = patches_PK.split([grid.cells for grid in grids])
        shapes = [(grid.h, grid.w) for grid in grids]
        if len(set(shapes)) == 1:
            return self._features(torch.stack([part.unflatten(0, shapes[0]) for part in parts]))
        pictures = zip(parts, shapes, strict=True)
        return torch.cat([self._features(part.unflatten(0, shape)[None]) for part, shape in pictures])

    def _features(self, patches_BHWK: Tensor) -> Tensor:
        return self.maps(patches_BHWK)[-1].flatten(0, 2)

    def laid(self, grids: Sequence[Grid]) -> Laid:
        """The places of what `forward` returns."""
        return encoded(self.spec, grids)
