"""A convolutional pyramid under a small transformer: what reads print cheaply on a CPU, where dense 3x3 products are fast."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.layers.block import TransformerBlock
from chiasm.layers.norm import ChannelNorm, norm
from chiasm.layers.same import same
from chiasm.pixels.patches import unpatchify
from chiasm.place import Grid, Laid, raster
from chiasm.spec import ConvViT
from chiasm.vision.position import resized


class Residual(nn.Module):
    """x + conv(relu(conv(norm(x)))), both 3x3 and dense: with matrix units these cost less than anything depthwise."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.expand, self.contract = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        return maps_BCHW + self.contract(F.relu(self.expand(self.norm(maps_BCHW))))


class ConvTransformer(nn.Module):
    """Packed patches to features of the same cells, [P, E]; grids of one shape are computed together."""

    def __init__(self, spec: ConvViT) -> None:
        super().__init__()
        self.spec = spec
        fine, middle, coarse = spec.widths
        self.stem = nn.Conv2d(12, fine, 3, stride=2, padding=1)
        self.to_middle = nn.Conv2d(fine, middle, 3, stride=2, padding=1)
        self.middle = nn.Sequential(*(Residual(middle) for _ in range(spec.convs[0])))
        self.to_coarse = nn.Conv2d(middle, coarse, 2, stride=2)
        self.coarse = nn.Sequential(*(Residual(coarse) for _ in range(spec.convs[1])))
        self.norm_coarse = ChannelNorm(coarse)
        self.to_tokens = nn.Conv2d(coarse, spec.block.width, spec.patch // 16, stride=spec.patch // 16)
        self.position = nn.Parameter(nn.init.normal_(torch.empty(spec.side * spec.side, spec.block.width), std=0.02))
        self.blocks = nn.ModuleList(same(TransformerBlock, spec.block) for _ in range(spec.depth))
        self.norm = norm(spec.block.norm, spec.block.width)

    def forward(self, patches_PK: Tensor, grids: Sequence[Grid]) -> Tensor:
        patches_PK = patches_PK.to(self.stem.weight.dtype)
        parts = patches_PK.split([grid.cells for grid in grids])
        if len({(grid.h, grid.w) for grid in grids}) == 1:
            return self._together(parts, grids[0])
        return torch.cat([self._together([part], grid) for part, grid in zip(parts, grids, strict=True)])

    def _together(self, parts: Sequence[Tensor], grid: Grid) -> Tensor:
        side = self.spec.patch
        pixels_BCHW = torch.stack([unpatchify(part, side, grid.h * side, grid.w * side) for part in parts])
        local_BCHW = self.local(pixels_BCHW)
        given = [self.read(local_BCHW) if part == "tokens" else self.inside(local_BCHW) for part in self.spec.gives]
        return torch.cat(given, -1).flatten(0, 1)

    def local(self, pixels_BCHW: Tensor) -> Tensor:
        """Maps at stride 8 of pixels from -1 to 1; each place sees about 80 pixels around it."""
        x = F.pixel_unshuffle(pixels_BCHW, 2).contiguous(memory_format=torch.channels_last)
        return self.middle(self.to_middle(F.relu(self.stem(x))))

    def read(self, local_BCHW: Tensor, window: tuple[int, int] | None = None) -> Tensor:
        """Tokens from `local`'s maps, row by row: [B, V, E]. A picture of another shape than the table of places takes the
        table resized, or (while it is schooled on small pictures) the part of it whose corner is at `window`."""
        maps = self.to_tokens(self.norm_coarse(self.coarse(self.to_coarse(local_BCHW))))
        rows, columns = maps.shape[2:]
        x = maps.flatten(2).transpose(1, 2) + self._places(rows, columns, window)
        for block in self.blocks:
            x = block(x, "full")
        return self.norm(x)

    def inside(self, local_BCHW: Tensor) -> Tensor:
        """`local`'s maps as they lie inside each token's square, normed by place: [B, V, cells x channels]."""
        side = self.spec.patch // 8
        normed = F.layer_norm(local_BCHW.permute(0, 2, 3, 1), local_BCHW.shape[1:2])
        squares = normed.unflatten(2, (-1, side)).unflatten(1, (-1, side)).transpose(2, 3)
        return squares.flatten(3).flatten(1, 2)

    def _places(self, rows: int, columns: int, window: tuple[int, int] | None) -> Tensor:
        if window is None:
            return resized(self.position, self.spec.side, rows, columns)
        y, x = window
        square = self.position.unflatten(0, (self.spec.side, self.spec.side))
        return square[y : y + rows, x : x + columns].flatten(0, 1)

    def laid(self, grids: Sequence[Grid]) -> Laid:
        """The places of what `forward` returns."""
        return raster(grids)
