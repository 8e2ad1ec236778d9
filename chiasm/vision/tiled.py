"""Llama 3.2 Vision's encoder (arXiv:2407.21783): a canvas of tiles whose tokens see one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.geometry import tilings
from chiasm.layers.block import Gate, TransformerBlock
from chiasm.layers.norm import norm
from chiasm.layers.same import same
from chiasm.place import Grid, Laid, canvases, encoded, tiling
from chiasm.spec import TiledViT
from chiasm.vision.vit import Stem

RUN = 8
"""Each tile's tokens are filled up with zeros to a multiple of so many; real tokens see those too."""


class TileVectors(nn.Module):
    """A gated vector for each tile of each tiling."""

    def __init__(self, tilings: int, most: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(tilings, most * width)
        self.gate = Gate()
        self.width = width

    def forward(self, x_ILTE: Tensor, tiling_I: Tensor) -> Tensor:
        out: Tensor = x_ILTE + self.gate(self.table(tiling_I)).unflatten(-1, (-1, 1, self.width))
        return out


class TiledTransformer(nn.Module):
    """Packed patches of pictures in tiles to features of the class token and the cells of every tile, unused ones too, in the
    order that `place.encoded` gives. Grids of one item are tiles of one canvas; a tile that shows nothing is no tiling."""

    def __init__(self, spec: TiledViT) -> None:
        super().__init__()
        self.spec = spec
        width, tokens = spec.block.width, spec.side**2 + 1
        self.numbers = {shape: number for number, shape in enumerate(tilings(spec.most), 1)}
        self.stem = Stem((width, spec.channels, spec.patch, spec.patch), False)
        self.cls = nn.Parameter(torch.zeros(width))
        self.before, self.after = (TileVectors(len(self.numbers) + 1, spec.most, width) for _ in range(2))
        self.position = nn.Parameter(torch.zeros(tokens, width))
        self.tile_position = TileVectors(len(self.numbers) + 1, spec.most, tokens * width)
        self.pre_norm, self.post_norm = (norm(spec.block.norm, width) for _ in range(2))
        self.blocks = nn.ModuleList(same(TransformerBlock, spec.block) for _ in range(spec.depth))
        self.wide = nn.ModuleList(TransformerBlock(replace(spec.block, branch_gate="tanh")) for _ in range(spec.wide))

    def forward(self, patches_PK: Tensor, grids: Sequence[Grid]) -> Tensor:
        pictures = canvases(grids)
        tiling_I = torch.tensor([self._number(tiles) for tiles in pictures], device=patches_PK.device)
        used_IL = torch.arange(self.spec.most) < torch.tensor([len(tiles) for tiles in pictures])[:, None]
        x_ILTE = self._embed(patches_PK, used_IL, tiling_I)
        tokens = x_ILTE.shape[2]
        x_ILTE = F.pad(x_ILTE, (0, 0, 0, -tokens % RUN))
        mask = self._mask(used_IL, tokens, x_ILTE.shape[2]).to(x_ILTE.device)
        x_ITE, states = x_ILTE.flatten(1, 2), []
        for block in self.blocks:
            x_ITE = block(x_ITE, mask)
            states.append(x_ITE)
        x_ILTE = self.after(self.post_norm(x_ITE).view_as(x_ILTE), tiling_I)
        x_ITE = x_ILTE.flatten(1, 2)
        for block in self.wide:
            x_ITE = block(x_ITE, mask)
        features_ITE = torch.cat([x_ITE, torch.stack([states[tap] for tap in self.spec.taps], -1).flatten(-2)], -1)
        return features_ITE.unflatten(1, x_ILTE.shape[1:3])[:, :, :tokens].flatten(0, 2)

    def _number(self, tiles: Sequence[Grid]) -> int:
        return self.numbers[tiling(tiles)] if tiles[0].shows else 0

    def _embed(self, patches_PK: Tensor, used_IL: Tensor, tiling_I: Tensor) -> Tensor:
        """Class token and cells of every tile, unused ones as zeros, at their places."""
        cells, width = self.spec.side**2, self.spec.block.width
        x_ILPE = self.stem.weight.new_zeros(*used_IL.shape, cells, width)
        x_ILPE[used_IL] = self.stem(patches_PK).unflatten(0, (-1, cells))
        x_ILPE = self.before(x_ILPE, tiling_I)
        x_ILTE = torch.cat([self.cls.expand(*used_IL.shape, 1, -1), x_ILPE], 2)
        x_ILTE = x_ILTE + (1 - self.tile_position.gate.weight.tanh()) * self.position
        placed: Tensor = self.tile_position(x_ILTE.flatten(2)[:, :, None], tiling_I)
        out: Tensor = self.pre_norm(placed.view_as(x_ILTE))
        return out

    def _mask(self, used_IL: Tensor, tokens: int, filled: int) -> Tensor:
        """Everybody sees everybody, but what fills up does not see what fills up: unused tiles, and the zeros of used ones."""
        real_ILT = (used_IL[..., None] & (torch.arange(filled) < tokens)).flatten(1)
        return (real_ILT[:, :, None] | real_ILT[:, None])[:, None]

    def laid(self, grids: Sequence[Grid]) -> Laid:
        """The places of what `forward` returns."""
        return encoded(self.spec, grids)
