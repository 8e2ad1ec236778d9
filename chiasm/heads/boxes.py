"""From fused maps and text to boxes: the likeliest cells become queries, which move their boxes layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.connect.fusion import Wording
from chiasm.layers.cross import CrossAttention
from chiasm.layers.deformable import DeformableAttention, Level, Spots, inside
from chiasm.layers.mlp import mlp
from chiasm.layers.norm import norm
from chiasm.layers.same import same
from chiasm.layers.sine import waves
from chiasm.spec import Block, Detector

LENGTHS = 10000.0
"""The ratio of the longest wave to the shortest one, for corners and sizes of boxes."""

SMALLEST, LARGEST = 0.01, 0.99
"""A cell whose own box leaves these is no place to begin at."""

EDGE = 1e-5
"""How near to 0 and 1 a fraction may come before its logit is taken."""


@dataclass(frozen=True)
class Found:
    """Queries' boxes, (centre x, centre y, width, height) in fractions of the picture, and how well each token of the text
    names each, minus infinity at pads. Likelihood is the sigmoid of that."""

    boxes_BG4: Tensor
    logits_BGT: Tensor
    states_BGD: Tensor


class Perceptron(nn.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(into, out) for into, out in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        out: Tensor = self.layers[-1](x)
        return out


class Finding(nn.Module):
    """One layer of queries: they read one another, the text, the maps around their boxes; a norm after each sum."""

    def __init__(self, spec: Detector) -> None:
        super().__init__()
        width, layers = spec.width, spec.decoder
        block = Block(width, layers.heads, layers.mlp_width, layers.heads, width // layers.heads, spec.norm, spec.act)
        self.attention, self.text = CrossAttention(block), CrossAttention(block)
        self.map, self.mlp = DeformableAttention(width, layers.heads, spec.levels, layers.points), mlp(block)
        self.norm, self.norm_text, self.norm_map, self.norm_mlp = (norm(spec.norm, width) for _ in range(4))

    def forward(
        self, x_BGD: Tensor, place_BGD: Tensor, at: Spots, map_BPD: Tensor, levels: Sequence[Level], words: Wording
    ) -> Tensor:
        placed_BGD = x_BGD + place_BGD
        x_BGD = self.norm(x_BGD + self.attention(placed_BGD, self.attention.hold(x_BGD, placed_BGD), "full"))
        valid = words.valid_BT[:, None, None].expand(-1, 1, x_BGD.shape[1], -1)
        x_BGD = self.norm_text(x_BGD + self.text(x_BGD + place_BGD, self.text.hold(words.states_BTD), valid))
        x_BGD = self.norm_map(x_BGD + self.map(x_BGD + place_BGD, at, self.map.hold(map_BPD, levels)))
        out: Tensor = self.norm_mlp(x_BGD + self.mlp(x_BGD))
        return out


class BoxFinder(nn.Module):
    """Queries that begin at the likeliest cells and end as boxes."""

    def __init__(self, spec: Detector) -> None:
        super().__init__()
        self.spec = spec
        width, depth = spec.width, spec.decoder.depth
        self.cell, self.cell_norm = nn.Linear(width, width), norm(spec.norm, width)
        self.cell_box = Perceptron(width, width, width, 4)
        self.query = nn.Parameter(torch.zeros(spec.queries, width))
        self.place = Perceptron(2 * width, width, width)
        self.layers = nn.ModuleList(same(Finding, spec) for _ in range(depth))
        self.boxes = nn.ModuleList(Perceptron(width, width, width, 4) for _ in range(1 if spec.boxes == "shared" else depth))
        self.norm = norm(spec.norm, width)

    def forward(self, map_BPD: Tensor, levels: Sequence[Level], words: Wording) -> Found:
        boxes_BG4, x_BGD = self._begin(map_BPD, levels, words), self.query.expand(len(map_BPD), -1, -1)
        filled_B4 = levels[0].filled_B2.repeat(1, 2)
        for number, layer in enumerate(self.layers):
            x, y, wide, high = (boxes_BG4 * filled_B4[:, None]).unbind(-1)
            turns_BG4 = torch.stack([y, x, wide, high], -1)
            place_BGD = self.place(waves(turns_BG4, self.spec.width // 2, LENGTHS).flatten(2).to(x_BGD.dtype))
            at = inside(boxes_BG4, levels, self.spec.decoder.points)
            x_BGD = layer(x_BGD, place_BGD, at, map_BPD, levels, words)
            if number + 1 < len(self.layers):
                boxes_BG4 = self._moved(boxes_BG4, x_BGD, number).detach()
        states_BGD = self.norm(x_BGD)
        return Found(self._moved(boxes_BG4, states_BGD, len(self.layers) - 1), named(states_BGD, words), states_BGD)

    def _moved(self, boxes_BG4: Tensor, x_BGD: Tensor, layer: int) -> Tensor:
        head = self.boxes[0 if self.spec.boxes == "shared" else layer]
        return (head(x_BGD) + torch.logit(boxes_BG4, EDGE)).sigmoid()

    def _begin(self, map_BPD: Tensor, levels: Sequence[Level], words: Wording) -> Tensor:
        """The boxes of the cells that the text names best."""
        own_BP4 = torch.cat([_own(level, number) for number, level in enumerate(levels)], 1)
        inner_BP = ((own_BP4 > SMALLEST) & (own_BP4 < LARGEST)).all(-1) & torch.cat([level.seen_BP for level in levels], 1)
        states_BPD = self.cell_norm(self.cell(map_BPD.masked_fill(~inner_BP[..., None], 0)))
        logits_BP4 = torch.logit(own_BP4).masked_fill(~inner_BP[..., None], float("inf")) + self.cell_box(states_BPD)
        best_BG = named(states_BPD, words).amax(-1).topk(self.spec.queries, 1).indices
        return logits_BP4.gather(1, best_BG[..., None].expand(-1, -1, 4)).sigmoid().detach()


def named(states_BGD: Tensor, words: Wording) -> Tensor:
    """How well each token names each state, [B, G, T]."""
    scores = states_BGD @ words.states_BTD.transpose(1, 2)
    return scores.masked_fill(~words.valid_BT[:, None], float("-inf"))


def _own(level: Level, number: int) -> Tensor:
    """The box that each cell begins with, larger on coarser levels: [B, P, 4]."""
    y, x = (torch.arange(size, device=level.rows_BH.device) + 0.5 for size in (level.height, level.width))
    y_BH, x_BW = y / level.rows_BH.sum(1, keepdim=True), x / level.columns_BW.sum(1, keepdim=True)
    y_BHW = y_BH[:, :, None].expand(-1, -1, level.width)
    size_BHW = torch.full_like(y_BHW, 0.05 * 2.0**number)
    return torch.stack([x_BW[:, None].expand_as(y_BHW), y_BHW, size_BHW, size_BHW], -1).flatten(1, 2)
