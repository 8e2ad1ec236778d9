"""Masks in a picture's own pixels: how they are brought there, how firm they are, their boxes and their run lengths, as SAM's
own tools have them (arXiv:2304.02643)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from chiasm.errors import BadPrompt
from chiasm.geometry import Size


def enlarged(masks_BMHW: Tensor, side: int, seen: tuple[int, int], size: Size) -> Tensor:
    """Logits of masks over the model's square of `side` pixels as logits over a picture of that size, which the square showed
    in its first `seen` rows and columns: [B, M, height, width]."""
    square = F.interpolate(masks_BMHW.float(), (side, side), mode="bilinear", align_corners=False)
    shown = square[..., : seen[0], : seen[1]]
    return F.interpolate(shown, (size.height, size.width), mode="bilinear", align_corners=False)


def stability(logits_MHW: Tensor, offset: float = 1.0) -> Tensor:
    """How much of a mask stays where its threshold rises by `offset`, as a share of what it is where it falls by as much, [M].
    A mask that is empty either way has no share: it is none."""
    firm, loose = ((logits_MHW > edge).sum((-1, -2)) for edge in (offset, -offset))
    return firm / loose


def boxes_around(masks_MHW: Tensor) -> Tensor:
    """The first and the last column and row of each mask, (x0, y0, x1, y1), [M, 4]; all zero for an empty one."""
    return torch.stack([_around(mask_HW) for mask_HW in masks_MHW]) if len(masks_MHW) else torch.zeros(0, 4, dtype=torch.int64)


def _around(mask_HW: Tensor) -> Tensor:
    rows, columns = mask_HW.any(1).nonzero()[:, 0], mask_HW.any(0).nonzero()[:, 0]
    if not len(rows):
        return torch.zeros(4, dtype=torch.int64, device=mask_HW.device)
    return torch.stack([columns[0], rows[0], columns[-1], rows[-1]])


@dataclass(frozen=True)
class Runs:
    """A mask by the lengths of its runs, column by column, the first of them off the mask (and maybe of no length): COCO's
    uncompressed form."""

    height: int
    width: int
    counts: tuple[int, ...]

    @classmethod
    def of(cls, mask_HW: NDArray[np.bool_]) -> Runs:
        """The runs of a mask."""
        flat = mask_HW.T.reshape(-1)
        changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        counts = np.diff([0, *changes.tolist(), len(flat)]).tolist()
        height, width = mask_HW.shape
        return cls(height, width, tuple([0, *counts] if len(flat) and flat[0] else counts))

    def mask(self) -> NDArray[np.bool_]:
        """Raises `BadPrompt` where the runs are not as long as the picture is large."""
        if sum(self.counts) != self.height * self.width:
            said = f"{sum(self.counts)} pixels in runs for a mask of {self.width} x {self.height}"
            raise BadPrompt(f"{said}: the runs belong to another picture")
        flat = np.repeat(np.arange(len(self.counts)) % 2 == 1, self.counts)
        return flat.reshape(self.width, self.height).T

    @property
    def area(self) -> int:
        return sum(self.counts[1::2])


def lattice(side: int) -> NDArray[np.float64]:
    """The centres of `side` x `side` equal parts of a picture, row by row, as fractions (x, y): [side * side, 2]."""
    step = 1 / (2 * side)
    along = np.linspace(step, 1 - step, side)
    x, y = np.meshgrid(along, along)
    return np.stack([x, y], -1).reshape(-1, 2)


@dataclass(frozen=True)
class Cut:
    """A rectangle of whole source pixels (x1 and y1 are not of it) in layer `layer` of a pyramid."""

    x0: int
    y0: int
    x1: int
    y1: int
    layer: int


def pyramid(size: Size, layers: int, overlap: float = 512 / 1500) -> list[Cut]:
    """The whole picture, then in each further layer twice as many cuts a side as before, column by column. In the first layer
    cuts share `overlap` of the picture's shorter edge, later ones less by as much as they are smaller."""
    cuts = [Cut(0, 0, size.width, size.height, 0)]
    for layer in range(1, layers + 1):
        count = 2**layer
        shared = int(overlap * min(size.width, size.height) * (2 / count))
        width, height = (math.ceil((shared * (count - 1) + edge) / count) for edge in (size.width, size.height))
        for left in range(count):
            for top in range(count):
                x0, y0 = left * (width - shared), top * (height - shared)
                cuts.append(Cut(x0, y0, min(x0 + width, size.width), min(y0 + height, size.height), layer))
    return cuts
