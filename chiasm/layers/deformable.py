"""Attention that reads maps of several sizes at a few places of its own choice (arXiv:2010.04159)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Level:
    """The shape of one map of several pictures, as large as the largest of them: `rows_BH` and `columns_BW` are true where
    each picture is."""

    rows_BH: Tensor
    columns_BW: Tensor

    @property
    def height(self) -> int:
        return self.rows_BH.shape[1]

    @property
    def width(self) -> int:
        return self.columns_BW.shape[1]

    @property
    def seen_BP(self) -> Tensor:
        """True at the cells of each picture."""
        return (self.rows_BH[:, :, None] & self.columns_BW[:, None]).flatten(1)

    @property
    def filled_B2(self) -> Tensor:
        """The share of the map's width and height that each picture takes."""
        return torch.stack([self.columns_BW.float().mean(1), self.rows_BH.float().mean(1)], -1)


@dataclass(frozen=True)
class Spots:
    """Where queries look from on each level, (x, y) in fractions of it, and how far one step of theirs takes them."""

    centre_BTL2: Tensor
    step_BTL2: Tensor


def cells(levels: Sequence[Level]) -> Spots:
    """Every cell of every level, one step being a cell."""
    found = []
    for level in levels:
        y, x = (torch.arange(size, device=level.rows_BH.device) + 0.5 for size in (level.height, level.width))
        wide, high = (level.filled_B2 * level.filled_B2.new_tensor([level.width, level.height])).unbind(-1)
        x_BW, y_BH = x / wide[:, None], y / high[:, None]
        grid = (x_BW[:, None].expand(-1, level.height, -1), y_BH[:, :, None].expand(-1, -1, level.width))
        found.append(torch.stack(grid, -1).flatten(1, 2))
    centre_BTL2 = torch.cat(found, 1)[:, :, None] * torch.stack([level.filled_B2 for level in levels], 1)[:, None]
    shapes_L2 = centre_BTL2.new_tensor([[level.width, level.height] for level in levels])
    return Spots(centre_BTL2, (1 / shapes_L2).expand_as(centre_BTL2))


def inside(boxes_BT4: Tensor, levels: Sequence[Level], points: int) -> Spots:
    """Boxes (centre, size) in fractions of each picture; `points` steps are half of a box."""
    filled_BL2 = torch.stack([level.filled_B2 for level in levels], 1)
    centre_BTL2, size_BTL2 = (part[:, :, None] * filled_BL2[:, None] for part in boxes_BT4.split(2, -1))
    return Spots(centre_BTL2, size_BTL2 * 0.5 / points)


class DeformableAttention(nn.Module):
    """Each query and head reads `points` places of each level, bilinearly, and adds them up in shares of one."""

    def __init__(self, width: int, heads: int, levels: int, points: int) -> None:
        super().__init__()
        self.shape, self.points = (heads, levels, points), points
        self.steps = nn.Linear(width, heads * levels * points * 2)
        self.shares = nn.Linear(width, heads * levels * points)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def hold(self, states_BPD: Tensor, levels: Sequence[Level]) -> list[Tensor]:
        """The maps as this layer sees them, [B x heads, F, H, W] each; there is nothing at pads. They are sampled in float32 at
        least: eight bits of a place are too few for a map of hundreds of cells."""
        seen_BP = torch.cat([level.seen_BP for level in levels], 1)
        values_BPNF = self.value(states_BPD).masked_fill(~seen_BP[..., None], 0).unflatten(-1, (self.shape[0], -1))
        values_BPNF = values_BPNF.to(torch.promote_types(values_BPNF.dtype, torch.float32))
        parts = values_BPNF.split([level.height * level.width for level in levels], 1)
        shaped = (part.permute(0, 2, 3, 1).flatten(0, 1) for part in parts)
        return [part.unflatten(-1, (level.height, level.width)) for part, level in zip(shaped, levels, strict=True)]

    def forward(self, queries_BTD: Tensor, spots: Spots, held: Sequence[Tensor]) -> Tensor:
        heads, levels, points = self.shape
        steps_BTNLP2 = self.steps(queries_BTD).unflatten(-1, (heads, levels, points, 2))
        shares_BTNK = self.shares(queries_BTD).unflatten(-1, (heads, -1)).softmax(-1)
        places_BTNLP2 = spots.centre_BTL2[:, :, None, :, None] + steps_BTNLP2 * spots.step_BTL2[:, :, None, :, None]
        places_LQTP2 = (2 * places_BTNLP2.to(held[0].dtype) - 1).permute(3, 0, 2, 1, 4, 5).flatten(1, 2)
        shares_LQTP = shares_BTNK.transpose(1, 2).flatten(0, 1).unflatten(-1, (levels, points)).permute(2, 0, 1, 3)
        mixed_QFT = held[0].new_zeros(())
        for part, places_QTP2, shares_QTP in zip(held, places_LQTP2, shares_LQTP, strict=True):
            read_QFTP = F.grid_sample(part, places_QTP2, align_corners=False)
            mixed_QFT = mixed_QFT + (read_QFTP * shares_QTP[:, None]).sum(-1)
        out: Tensor = self.out(mixed_QFT.to(queries_BTD.dtype).unflatten(0, (-1, heads)).flatten(1, 2).transpose(1, 2))
        return out
