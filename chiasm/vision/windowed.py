"""SAM's tower (arXiv:2304.02643): windows, and scores that know how far apart two cells stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.errors import BadPicture
from chiasm.layers.attend import attend
from chiasm.layers.mlp import mlp
from chiasm.layers.norm import ChannelNorm, norm
from chiasm.layers.same import same
from chiasm.place import Grid, Laid, raster
from chiasm.spec import Block, WindowedViT
from chiasm.vision.vit import Stem


class RelativeAttention(nn.Module):
    """softmax(q k^T / sqrt(F) + rows + columns) v over squares of `side` cells a side: the product of a query and a learned
    vector for the distance in rows is added to its score, and one for the distance in columns (arXiv:2112.01526)."""

    def __init__(self, block: Block, side: int) -> None:
        super().__init__()
        self.side, self.head_width = side, block.head_width
        across = block.heads * block.head_width
        self.q, self.k, self.v = (nn.Linear(block.width, across, block.qkv_bias) for _ in range(3))
        self.out = nn.Linear(across, block.width, block.out_bias)
        self.rows = nn.Parameter(torch.zeros(2 * side - 1, block.head_width))
        self.columns = nn.Parameter(torch.zeros(2 * side - 1, block.head_width))

    def forward(self, x_BTD: Tensor) -> Tensor:
        heads = (part(x_BTD).unflatten(-1, (-1, self.head_width)) for part in (self.q, self.k, self.v))
        q_BNTF, k_BNTF, v_BNTF = (part.transpose(1, 2) for part in heads)
        mixed_BNTF = attend(q_BNTF, k_BNTF, v_BNTF, self.bias(q_BNTF))
        out_BTD: Tensor = self.out(mixed_BNTF.transpose(1, 2).flatten(2))
        return out_BTD

    def bias(self, q_BNTF: Tensor) -> Tensor:
        """What distances add to the scores, [B, N, T, T]."""
        steps = torch.arange(self.side, device=q_BNTF.device)
        away = steps[:, None] - steps + self.side - 1
        q_BNYXF = q_BNTF.unflatten(2, (self.side, self.side))
        by_row = torch.einsum("bnyxf,ykf->bnyxk", q_BNYXF, self.rows[away])
        by_column = torch.einsum("bnyxf,xkf->bnyxk", q_BNYXF, self.columns[away])
        return (by_row[..., :, None] + by_column[..., None, :]).flatten(4).flatten(2, 3)


class WindowedBlock(nn.Module):
    """x + attention(norm(x)) in windows, then x + mlp(norm(x)), over squares [B, H, W, D]."""

    def __init__(self, block: Block, reach: int) -> None:
        super().__init__()
        self.reach = reach
        self.norm1, self.norm2 = norm(block.norm, block.width), norm(block.norm, block.width)
        self.attention = RelativeAttention(block, reach)
        self.mlp = mlp(block)

    def forward(self, x_BHWD: Tensor) -> Tensor:
        x_BHWD = x_BHWD + self._in_windows(self.norm1(x_BHWD))
        out_BHWD: Tensor = x_BHWD + self.mlp(self.norm2(x_BHWD))
        return out_BHWD

    def _in_windows(self, x_BHWD: Tensor) -> Tensor:
        """Zeros fill the last windows; they are seen like cells, and what they see is thrown away."""
        height, width = x_BHWD.shape[1:3]
        down, across = -(-height // self.reach), -(-width // self.reach)
        padded = F.pad(x_BHWD, (0, 0, 0, across * self.reach - width, 0, down * self.reach - height))
        windows = padded.unflatten(2, (across, self.reach)).unflatten(1, (down, self.reach)).transpose(2, 3)
        mixed = self.attention(windows.flatten(3, 4).flatten(0, 2))
        back = mixed.unflatten(1, (self.reach, self.reach)).unflatten(0, (-1, down, across)).transpose(2, 3)
        return back.flatten(3, 4).flatten(1, 2)[:, :height, :width]


class Neck(nn.Module):
    """Two normed convolutions, of 1 x 1 and of 3 x 3, from squares [B, H, W, D] to maps [B, C, H, W]."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.narrow, self.norm1 = nn.Conv2d(width, out, 1, bias=False), ChannelNorm(out, 1e-6)
        self.smooth, self.norm2 = nn.Conv2d(out, out, 3, padding=1, bias=False), ChannelNorm(out, 1e-6)

    def forward(self, x_BHWD: Tensor) -> Tensor:
        maps = self.norm1(self.narrow(x_BHWD.permute(0, 3, 1, 2)))
        out_BCHW: Tensor = self.norm2(self.smooth(maps))
        return out_BCHW


class WindowedTransformer(nn.Module):
    """Packed patches of whole squares to features of the same cells."""

    def __init__(self, spec: WindowedViT) -> None:
        super().__init__()
        self.spec = spec
        self.stem = Stem((spec.block.width, 3, spec.patch, spec.patch), bias=True)
        self.position = nn.Parameter(torch.zeros(spec.side**2, spec.block.width))
        self.blocks = nn.ModuleList(same(WindowedBlock, spec.block, spec.reach(layer)) for layer in range(spec.depth))
        self.neck = Neck(spec.block.width, spec.neck)

    def forward(self, patches_PK: Tensor, grids: Sequence[Grid]) -> Tensor:
        features_PE: Tensor = self.maps(patches_PK, grids).flatten(2).transpose(1, 2).flatten(0, 1)
        return features_PE

    def maps(self, patches_PK: Tensor, grids: Sequence[Grid]) -> Tensor:
        """Features as maps, [B, E, side, side]."""
        *_, last_BHWD = self.states(patches_PK, grids)
        maps_BEHW: Tensor = self.neck(last_BHWD)
        return maps_BEHW

    def states(self, patches_PK: Tensor, grids: Sequence[Grid]) -> Iterator[Tensor]:
        """What leaves each block, [B, side, side, D]. Raises `BadPicture` for grids that are not the square."""
        side = self.spec.side
        for grid in grids:
            if (grid.h, grid.w) != (side, side):
                raise BadPicture(f"a grid of {grid.h} x {grid.w} patches, and this encoder sees {side} x {side} alone")
        x_BHWD = (self.stem(patches_PK).unflatten(0, (len(grids), side**2)) + self.position).unflatten(1, (side, side))
        for block in self.blocks:
            x_BHWD = block(x_BHWD)
            yield x_BHWD

    def laid(self, grids: Sequence[Grid]) -> Laid:
        """The places of what `forward` returns."""
        return raster(grids)
