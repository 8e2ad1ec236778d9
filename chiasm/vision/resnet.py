"""CLIP's ResNets (arXiv:2103.00020): three convolutions for a stem, and averages before every stride, against aliasing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.pixels.patches import unpatchify
from chiasm.place import Grid, Laid, raster
from chiasm.spec import ResNet


class FrozenNorm(nn.Module):
    """A batch norm that was trained: its means and variances were measured, not learned, and stay as they are."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.mean = nn.Parameter(torch.zeros(width), requires_grad=False)
        self.variance = nn.Parameter(torch.ones(width), requires_grad=False)

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        return F.batch_norm(maps_BCHW, self.mean, self.variance, self.weight, self.bias)


class Conv(nn.Module):
    """A convolution without bias and its norm."""

    def __init__(self, into: int, out: int, side: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(into, out, side, stride, padding=side // 2, bias=False)
        self.norm = FrozenNorm(out)

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(maps_BCHW))
        return out


class Bottleneck(nn.Module):
    """relu(x + conv1(conv3(conv1(x)))), four times as wide outside as inside; a stride is an average of squares."""

    def __init__(self, into: int, inside: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.narrow, self.mix, self.widen = Conv(into, inside, 1), Conv(inside, inside, 3), Conv(inside, 4 * inside, 1)
        self.shortcut = Conv(into, 4 * inside, 1) if stride > 1 or into != 4 * inside else None

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        made = F.relu(self.mix(F.relu(self.narrow(maps_BCHW))))
        made = self.widen(self._smaller(made))
        kept = maps_BCHW if self.shortcut is None else self.shortcut(self._smaller(maps_BCHW))
        return F.relu(kept + made)

    def _smaller(self, maps_BCHW: Tensor) -> Tensor:
        return F.avg_pool2d(maps_BCHW, self.stride) if self.stride > 1 else maps_BCHW


class ResidualNetwork(nn.Module):
    """Packed patches of 32 pixels a side to features of the same cells, [P, E]."""

    def __init__(self, spec: ResNet) -> None:
        super().__init__()
        self.spec = spec
        stem = spec.stem
        self.stem = nn.ModuleList([Conv(3, stem // 2, 3, 2), Conv(stem // 2, stem // 2, 3), Conv(stem // 2, stem, 3)])
        stages, into = [], stem
        for number, blocks in enumerate(spec.blocks):
            inside = stem * 2**number
            strides = [1 if number == 0 else 2, *[1] * (blocks - 1)]
            widths = [into, *[4 * inside] * (blocks - 1)]
            stages.append(nn.Sequential(*(Bottleneck(wide, inside, s) for wide, s in zip(widths, strides, strict=True))))
            into = 4 * inside
        self.stages = nn.ModuleList(stages)

    def forward(self, patches_PK: Tensor, grids: Sequence[Grid]) -> Tensor:
        patches_PK = patches_PK.to(next(self.parameters()).dtype)
        parts = patches_PK.split([grid.cells for grid in grids])
        if len({(grid.h, grid.w) for grid in grids}) == 1:
            return self._maps(parts, grids[0]).flatten(0, 1)
        return torch.cat([self._maps([part], grid)[0] for part, grid in zip(parts, grids, strict=True)])

    def _maps(self, parts: Sequence[Tensor], grid: Grid) -> Tensor:
        """Pictures of one shape, [B, P, E]."""
        side = self.spec.patch
        x_BCHW = torch.stack([unpatchify(part, side, grid.h * side, grid.w * side) for part in parts])
        for conv in self.stem:
            x_BCHW = F.relu(conv(x_BCHW))
        x_BCHW = F.avg_pool2d(x_BCHW, 2)
        for stage in self.stages:
            x_BCHW = stage(x_BCHW)
        return x_BCHW.flatten(2).transpose(1, 2)

    def laid(self, grids: Sequence[Grid]) -> Laid:
        """The places of what `forward` returns."""
        return raster(grids)
