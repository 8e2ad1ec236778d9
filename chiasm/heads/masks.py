"""The two-way mask decoder: prompts and picture ask one another, then each mask's own vector is held against every place
(arXiv:2304.02643)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.layers.act import ACTIVATIONS
from chiasm.layers.attend import attend
from chiasm.layers.mlp import PlainMLP
from chiasm.layers.norm import ChannelNorm
from chiasm.layers.same import same
from chiasm.spec import MaskDecoder, Masks


@dataclass(frozen=True)
class Outlined:
    """Logits of M masks of each of R regions of B pictures, at four times the features' cells a side, and how well each of
    them is thought to fit."""

    masks_BRMHW: Tensor
    scores_BRM: Tensor


class Asking(nn.Module):
    """Attention of one set of vectors to another, inside a width of its own."""

    def __init__(self, width: int, inner: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = (nn.Linear(width, inner) for _ in range(3))
        self.out = nn.Linear(inner, width)

    def forward(self, asks_BTE: Tensor, keys_BSE: Tensor, values_BSE: Tensor) -> Tensor:
        parts = (self.q(asks_BTE), self.k(keys_BSE), self.v(values_BSE))
        q_BNTF, k_BNSF, v_BNSF = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        out_BTE: Tensor = self.out(attend(q_BNTF, k_BNSF, v_BNSF, "full").transpose(1, 2).flatten(2))
        return out_BTE


class TwoWayBlock(nn.Module):
    """Prompts ask one another and the picture, pass an MLP, and are asked by the picture; a norm after each sum. Prompts and
    places are added anew to whatever asks and is asked; the `first` block's prompts are nothing but themselves."""

    def __init__(self, spec: MaskDecoder, *, first: bool) -> None:
        super().__init__()
        self.first, narrow = first, spec.width // spec.narrow
        self.among = Asking(spec.width, spec.width, spec.heads)
        self.to_picture, self.to_prompts = (Asking(spec.width, narrow, spec.heads) for _ in range(2))
        self.mlp = PlainMLP(spec.width, spec.mlp_width, spec.act, bias=True)
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(spec.width, spec.eps) for _ in range(4))

    def forward(self, x_BGE: Tensor, cells_BPE: Tensor, prompts_BGE: Tensor, places_PE: Tensor) -> tuple[Tensor, Tensor]:
        if self.first:
            x_BGE = self.norm1(self.among(x_BGE, x_BGE, x_BGE))
        else:
            asks = x_BGE + prompts_BGE
            x_BGE = self.norm1(x_BGE + self.among(asks, asks, x_BGE))
        x_BGE = self.norm2(x_BGE + self.to_picture(x_BGE + prompts_BGE, cells_BPE + places_PE, cells_BPE))
        x_BGE = self.norm3(x_BGE + self.mlp(x_BGE))
        return x_BGE, self.norm4(cells_BPE + self.to_prompts(cells_BPE + places_PE, x_BGE + prompts_BGE, x_BGE))


class Layers(nn.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(into, out) for into, out in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            x = layer(F.relu(x) if number else x)
        return x


class Finer(nn.Module):
    """Maps of four times as many cells a side, an eighth as wide."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.double1 = nn.ConvTranspose2d(width, width // 4, 2, stride=2)
        self.norm = ChannelNorm(width // 4, 1e-6)
        self.double2 = nn.ConvTranspose2d(width // 4, width // 8, 2, stride=2)

    def forward(self, maps_BEHW: Tensor) -> Tensor:
        act = ACTIVATIONS["gelu"]
        fine: Tensor = act(self.double2(act(self.norm(self.double1(maps_BEHW)))))
        return fine


class TwoWayDecoder(nn.Module):
    """Features and prompts to masks and their scores."""

    def __init__(self, spec: MaskDecoder) -> None:
        super().__init__()
        self.spec = spec
        width, count = spec.width, spec.several + 1
        self.score = nn.Parameter(torch.zeros(width))
        self.tokens = nn.Parameter(torch.zeros(count, width))
        self.blocks = nn.ModuleList(same(TwoWayBlock, spec, first=layer == 0) for layer in range(spec.depth))
        self.last = Asking(width, width // spec.narrow, spec.heads)
        self.norm = nn.LayerNorm(width, 1e-5)
        self.finer = Finer(width)
        self.to_maps = nn.ModuleList(Layers([width, width, width, width // 8]) for _ in range(count))
        self.to_scores = Layers([width, *[spec.score_width] * (spec.score_depth - 1), count])

    def forward(self, maps_BEHW: Tensor, sparse_BRGE: Tensor | None, places_PE: Tensor, wanted: Masks) -> Outlined:
        """`maps_BEHW` are the features with the dense prompts added; without sparse prompts a picture has one region."""
        own_TE = torch.cat([self.score[None], self.tokens])
        pictures, regions = len(maps_BEHW), 1 if sparse_BRGE is None else sparse_BRGE.shape[1]
        prompts_BGE = own_TE.expand(pictures * regions, -1, -1)
        if sparse_BRGE is not None:
            prompts_BGE = torch.cat([prompts_BGE, sparse_BRGE.flatten(0, 1).to(own_TE.dtype)], 1)
        cells_BPE = maps_BEHW.flatten(2).transpose(1, 2).repeat_interleave(regions, 0)
        x_BGE = prompts_BGE
        for block in self.blocks:
            x_BGE, cells_BPE = block(x_BGE, cells_BPE, prompts_BGE, places_PE)
        x_BGE = self.norm(x_BGE + self.last(x_BGE + prompts_BGE, cells_BPE + places_PE, cells_BPE))
        fine_BEHW = self.finer(cells_BPE.transpose(1, 2).unflatten(2, maps_BEHW.shape[2:]))
        kept = slice(0, 1) if wanted == "one" else slice(1, None)
        asks_BME = torch.stack([layers(x_BGE[:, 1 + number]) for number, layers in enumerate(self.to_maps)], 1)[:, kept]
        masks_BMHW = (asks_BME @ fine_BEHW.flatten(2)).unflatten(2, fine_BEHW.shape[2:])
        scores_BM = self.to_scores(x_BGE[:, 0])[:, kept]
        return Outlined(masks_BMHW.unflatten(0, (pictures, regions)), scores_BM.unflatten(0, (pictures, regions)))
