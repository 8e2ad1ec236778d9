"""Vectors of rectangles, from maps of several depths of a picture's encoder (GPT4RoI, arXiv:2307.03601)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.spec import Regions

SAMPLES = 2
"""A side, of each of a rectangle's cells; their mean is taken."""


class RegionReader(nn.Module):
    """Rectangles to vectors as wide as the decoder."""

    def __init__(self, spec: Regions, width: int, out: int) -> None:
        super().__init__()
        self.spec = spec
        levels = range(len(spec.taps))
        self.enter = nn.ModuleList(nn.Conv2d(width + 2, width, 1) for _ in levels)
        self.mixes = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(spec.mixes))
        self.norms = nn.ModuleList(nn.GroupNorm(spec.groups, width) for _ in range(spec.mixes))
        self.level = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in levels)
        self.flat = nn.Linear(width * spec.side**2, width)
        self.edges1, self.edges2 = nn.Linear(4, spec.edges), nn.Linear(spec.edges, width)
        self.edges_norm1, self.edges_norm2 = nn.LayerNorm(spec.edges), nn.LayerNorm(width)
        self.out = nn.Linear(width, out)

    def forward(self, maps: Sequence[Tensor], boxes_R4: Tensor, item_R: Tensor) -> Tensor:
        """`maps` are those of the taps, each [I, E, H, W]; `boxes_R4` are x0, y0, x1, y1 as fractions of their item's picture.
        One vector a rectangle, [R, D]."""
        boxes_R4 = boxes_R4.to(maps[0].dtype)
        mixed, summed = self.mixed(maps), boxes_R4.new_zeros(())
        for one_IEHW, level in zip(mixed, self.level, strict=True):
            summed = summed + level(sampled(one_IEHW[item_R], boxes_R4, self.spec.side))
        inside_RE = self.flat(F.relu(summed).flatten(1))
        return self.out(inside_RE + self._edges(boxes_R4))

    def mixed(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The maps at their own sizes, each mixed with its neighbours."""
        high, wide = maps[0].shape[-2:]
        found = []
        for number, (one_IEHW, enter) in enumerate(zip(maps, self.enter, strict=True)):
            larger = 2 ** (len(maps) - 1 - number)
            drawn_IEHW = stretched(one_IEHW, (high * larger, wide * larger))
            found.append(enter(torch.cat([drawn_IEHW, _places(drawn_IEHW)], 1)))
        for conv, norm in zip(self.mixes, self.norms, strict=True):
            found = [F.relu(norm(conv(self._joined(found, number)))) for number in range(len(found))]
        return found

    def _joined(self, maps: Sequence[Tensor], number: int) -> Tensor:
        """Half of a map's channels, the last quarter of the coarser neighbour's and the third quarter of the finer one's."""
        own = maps[number]
        kept, quarter = own.shape[1] - 2 * (own.shape[1] // 4), own.shape[1] // 4
        coarser, finer = maps[min(number + 1, len(maps) - 1)], maps[max(number - 1, 0)]
        size = (own.shape[-2], own.shape[-1])
        parts = coarser[:, kept + quarter :], finer[:, kept : kept + quarter]
        return torch.cat([own[:, :kept], *(stretched(part, size) for part in parts)], 1)

    def _edges(self, boxes_R4: Tensor) -> Tensor:
        first_RE = self.edges_norm1(F.relu(self.edges1(boxes_R4)))
        second_RE: Tensor = self.edges_norm2(F.relu(self.edges2(first_RE)))
        return second_RE


def stretched(maps_IEHW: Tensor, size: tuple[int, int]) -> Tensor:
    """Linear interpolation whose corner cells stay in the corners."""
    return F.interpolate(maps_IEHW, size, mode="bilinear", align_corners=True)


def _places(maps_IEHW: Tensor) -> Tensor:
    """Each cell's column and row, from -1 to 1, as two channels."""
    items, _, high, wide = maps_IEHW.shape
    rows_H, columns_W = (torch.linspace(-1, 1, n, device=maps_IEHW.device, dtype=maps_IEHW.dtype) for n in (high, wide))
    return torch.stack([columns_W.expand(high, wide), rows_H[:, None].expand(high, wide)]).expand(items, -1, -1, -1)


def sampled(maps_REHW: Tensor, boxes_R4: Tensor, side: int) -> Tensor:
    """`side` x `side` cells of each rectangle of its own map, each the mean of a few samples between cells' centres (aligned
    RoIAlign, arXiv:1703.06870). What is sampled more than a cell outside of the map is zero."""
    x0_R, y0_R, x1_R, y1_R = boxes_R4.unbind(1)
    rows_RSH, columns_RSW = shares(y0_R, y1_R, maps_REHW.shape[2], side), shares(x0_R, x1_R, maps_REHW.shape[3], side)
    return torch.einsum("rsh,rehw,rtw->rest", rows_RSH, maps_REHW, columns_RSW)


def shares(from_R: Tensor, to_R: Tensor, cells: int, side: int) -> Tensor:
    """Along one axis, of how much of each cell each sampled cell is made, [R, side, cells]."""
    begin_R, step_R = from_R * cells - 0.5, (to_R - from_R) * cells / side
    at_S = (torch.arange(side * SAMPLES, device=from_R.device, dtype=from_R.dtype) + 0.5) / SAMPLES
    at_RS = begin_R[:, None] + at_S * step_R[:, None]
    outside_RS = (at_RS < -1) | (at_RS > cells)
    at_RS = at_RS.clamp(0, cells - 1)
    share_RSC = (1 - (at_RS[:, :, None] - torch.arange(cells, device=from_R.device, dtype=from_R.dtype)).abs()).clamp(min=0)
    return share_RSC.masked_fill(outside_RS[:, :, None], 0).unflatten(1, (side, SAMPLES)).mean(2)
