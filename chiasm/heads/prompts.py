"""What points at a part of a picture - points, boxes, a mask - as vectors that a mask decoder reads (arXiv:2304.02643)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chiasm.layers.act import ACTIVATIONS
from chiasm.layers.norm import ChannelNorm
from chiasm.spec import MaskDecoder

INSIDE, OUTSIDE, NO_POINT, PAD = 1, 0, -1, -10
"""Labels of points: on what is meant, off it, none at all (the point that stands for an absent box), a row's filling."""


@dataclass(frozen=True)
class Prompts:
    """What points at R regions of each of B pictures, in pixels (x, y) of the square that the model sees.

    `mask_B1HW` are logits at four times the features' cells a side, the same for all regions of a picture.
    """

    points_BRG2: Tensor | None = None
    labels_BRG: Tensor | None = None
    boxes_BR4: Tensor | None = None
    mask_B1HW: Tensor | None = None


class PlaceCode(nn.Module):
    """Sines and cosines of a place under random frequencies."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.zeros(2, width // 2))

    def forward(self, xy: Tensor) -> Tensor:
        """Places in fractions of the square, [..., 2], to vectors; in float32, whatever the model computes in."""
        angle = 2 * math.pi * ((2 * xy.float() - 1) @ self.frequencies.float())
        return torch.cat([angle.sin(), angle.cos()], -1).to(self.frequencies.dtype)


class MaskAsPrompt(nn.Module):
    """A mask of four times the cells a side brought down to the features' own."""

    def __init__(self, spec: MaskDecoder) -> None:
        super().__init__()
        few, many, eps = spec.mask_channels // 4, spec.mask_channels, spec.mask_eps
        self.act = ACTIVATIONS[spec.mask_act]
        self.halve1, self.norm1 = nn.Conv2d(1, few, 2, stride=2), ChannelNorm(few, eps)
        self.halve2, self.norm2 = nn.Conv2d(few, many, 2, stride=2), ChannelNorm(many, eps)
        self.widen = nn.Conv2d(many, spec.width, 1)

    def forward(self, mask_B1HW: Tensor) -> Tensor:
        x = self.act(self.norm1(self.halve1(mask_B1HW.to(self.widen.weight.dtype))))
        out_BEHW: Tensor = self.widen(self.act(self.norm2(self.halve2(x))))
        return out_BEHW


class PromptEncoder(nn.Module):
    """Prompts to vectors beside the picture (sparse) and to maps that are added to it (dense)."""

    def __init__(self, spec: MaskDecoder) -> None:
        super().__init__()
        self.spec = spec
        self.code = PlaceCode(spec.width)
        self.outside, self.inside, self.corner1, self.corner2, self.no_point, self.no_mask = (
            nn.Parameter(torch.zeros(spec.width)) for _ in range(6)
        )
        self.mask = MaskAsPrompt(spec)

    def sparse(self, prompts: Prompts, side: int) -> Tensor | None:
        """A vector for each point and each corner of a box, [B, R, G, E]; `side` is the square's, in pixels."""
        parts = []
        if prompts.points_BRG2 is not None:
            labels = prompts.labels_BRG
            labels = torch.full(prompts.points_BRG2.shape[:-1], INSIDE) if labels is None else labels
            parts.append(self._points(prompts.points_BRG2, labels, side))
            if prompts.boxes_BR4 is None:
                # A decoder that was shown points always read two more places than one point: a point that is none.
                parts.append(self.no_point.expand(*labels.shape[:2], 1, -1))
        if prompts.boxes_BR4 is not None:
            corners = self.code((prompts.boxes_BR4.unflatten(-1, (2, 2)) + 0.5) / side)
            parts.append(corners + torch.stack([self.corner1, self.corner2]))
        return torch.cat(parts, 2) if parts else None

    def _points(self, points_BRG2: Tensor, labels_BRG: Tensor, side: int) -> Tensor:
        labels_BRG1 = labels_BRG[..., None]
        placed = self.code((points_BRG2 + 0.5) / side)
        known = torch.where(labels_BRG1 == INSIDE, placed + self.inside, placed)
        known = torch.where(labels_BRG1 == OUTSIDE, placed + self.outside, known)
        known = torch.where(labels_BRG1 == NO_POINT, self.no_point, known)
        return torch.where(labels_BRG1 == PAD, torch.zeros_like(known), known)

    def dense(self, prompts: Prompts) -> Tensor:
        """What is added to the features, [B or 1, E, H or 1, W or 1]."""
        if prompts.mask_B1HW is None:
            return self.no_mask[None, :, None, None]
        maps_BEHW: Tensor = self.mask(prompts.mask_B1HW)
        return maps_BEHW

    def places(self) -> Tensor:
        """The code of every cell's centre in raster order, [P, E]."""
        centres = (torch.arange(self.spec.side, device=self.no_mask.device) + 0.5) / self.spec.side
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        code_PE: Tensor = self.code(torch.stack([x, y], -1).flatten(0, 1))
        return code_PE
