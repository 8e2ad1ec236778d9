"""Transformers over signals that are no pictures: spectrograms, depth, heat, motion (ImageBind, arXiv:2305.05665)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chiasm.layers.block import TransformerBlock
from chiasm.layers.norm import norm
from chiasm.layers.same import same
from chiasm.spec import Norm, Signal

STEM_NORM = Norm("layer", 1e-5)


class SignalTransformer(nn.Module):
    """[B, channels, height, width] to one vector each, [B, width]; a signal without a height may leave that axis out."""

    def __init__(self, spec: Signal, width: int) -> None:
        super().__init__()
        block = spec.block
        self.stem = nn.Conv2d(spec.channels, block.width, spec.kernel, spec.stride, bias=False)
        self.stem_norm = norm(STEM_NORM, block.width)
        self.cls = nn.Parameter(torch.zeros(block.width))
        self.position = nn.Parameter(torch.zeros(1 + spec.places, block.width))
        self.blocks = nn.ModuleList(same(TransformerBlock, block) for _ in range(spec.depth))
        self.norm = norm(block.norm, block.width)
        self.project = nn.Linear(block.width, width, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        values_BCHW = values[:, :, None] if values.ndim == 3 else values
        cells_BPE = self.stem_norm(self.stem(values_BCHW).flatten(2).transpose(1, 2))
        x_BTD = torch.cat([self.cls.expand(len(cells_BPE), 1, -1), cells_BPE], 1) + self.position
        for block in self.blocks:
            x_BTD = block(x_BTD, "full")
        out: Tensor = self.project(self.norm(x_BTD[:, 0]))
        return out
