"""Maps and texts that read one another, layer by layer (Grounding DINO, arXiv:2303.05499)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chiasm.layers.attend import attend
from chiasm.layers.block import LayerScale
from chiasm.layers.cross import CrossAttention
from chiasm.layers.deformable import DeformableAttention, Level, Spots, cells
from chiasm.layers.mlp import mlp
from chiasm.layers.norm import norm
from chiasm.layers.same import same
from chiasm.layers.sine import waves
from chiasm.spec import Block, Detector

LENGTHS = 10000.0
"""The ratio of the longest wave to the shortest one, for places in a text."""


@dataclass(frozen=True)
class Wording:
    """A text's states, which tokens are no pads, what each token sees of its row, and its place in its phrase."""

    states_BTD: Tensor
    valid_BT: Tensor
    seen_BTT: Tensor
    where_BT: Tensor


class Meeting(nn.Module):
    """Two sequences whose every pair has one score; it says what each takes from the other."""

    def __init__(self, width: int, inner: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.map, self.text, self.map_value, self.text_value = (nn.Linear(width, inner) for _ in range(4))
        self.map_out, self.text_out = nn.Linear(inner, width), nn.Linear(inner, width)

    def forward(self, map_BPD: Tensor, text_BTD: Tensor, seen_BP: Tensor, valid_BT: Tensor) -> tuple[Tensor, Tensor]:
        """What is added to the maps and to the text."""
        map_BNPF, text_BNTF = self._heads(self.map(map_BPD)), self._heads(self.text(text_BTD))
        cells, tokens = seen_BP[:, None, None], valid_BT[:, None, None]
        to_map = attend(map_BNPF, text_BNTF, self._heads(self.text_value(text_BTD)), tokens.expand(-1, 1, map_BPD.shape[1], -1))
        to_text = attend(text_BNTF, map_BNPF, self._heads(self.map_value(map_BPD)), cells.expand(-1, 1, text_BTD.shape[1], -1))
        return self.map_out(to_map.transpose(1, 2).flatten(2)), self.text_out(to_text.transpose(1, 2).flatten(2))

    def _heads(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class FusionLayer(nn.Module):
    """Maps and text meet, then the text reads itself phrase by phrase and the maps read themselves where they choose; a norm
    after each sum."""

    def __init__(self, spec: Detector) -> None:
        super().__init__()
        width, layers, heads = spec.width, spec.encoder, spec.encoder.heads // 2
        text = Block(width, heads, layers.mlp_width // 2, heads, width // heads, spec.norm, spec.act)
        maps = Block(width, layers.heads, layers.mlp_width, layers.heads, width // layers.heads, spec.norm, spec.act)
        self.norm_map, self.norm_text = norm(spec.norm, width), norm(spec.norm, width)
        self.meet = Meeting(width, layers.mlp_width // 2, heads)
        self.scale_map, self.scale_text = LayerScale(width), LayerScale(width)
        self.text_attention, self.text_mlp = CrossAttention(text), mlp(text)
        self.text_norm1, self.text_norm2 = norm(spec.norm, width), norm(spec.norm, width)
        self.map_attention = DeformableAttention(width, layers.heads, spec.levels, layers.points)
        self.map_mlp = mlp(maps)
        self.map_norm1, self.map_norm2 = norm(spec.norm, width), norm(spec.norm, width)

    def forward(
        self, map_BPD: Tensor, text_BTD: Tensor, levels: Sequence[Level], at: Spots, place_BPD: Tensor, words: Wording
    ) -> tuple[Tensor, Tensor]:
        map_BPD, text_BTD = self.norm_map(map_BPD), self.norm_text(text_BTD)
        seen_BP = torch.cat([level.seen_BP for level in levels], 1)
        to_map, to_text = self.meet(map_BPD, text_BTD, seen_BP, words.valid_BT)
        map_BPD, text_BTD = map_BPD + self.scale_map(to_map), text_BTD + self.scale_text(to_text)
        placed_BTD = text_BTD + waves(words.where_BT, text_BTD.shape[-1], LENGTHS).to(text_BTD.dtype)
        held = self.text_attention.hold(text_BTD, placed_BTD)
        text_BTD = self.text_norm1(text_BTD + self.text_attention(placed_BTD, held, words.seen_BTT[:, None]))
        text_BTD = self.text_norm2(text_BTD + self.text_mlp(text_BTD))
        mixed_BPD = self.map_attention(map_BPD + place_BPD, at, self.map_attention.hold(map_BPD, levels))
        map_BPD = self.map_norm1(map_BPD + mixed_BPD)
        return self.map_norm2(map_BPD + self.map_mlp(map_BPD)), text_BTD


class FusionEncoder(nn.Module):
    """Maps [B, P, D], one level after the other, and a text's states, each made of both."""

    def __init__(self, spec: Detector) -> None:
        super().__init__()
        self.spec = spec
        self.level = nn.Parameter(torch.zeros(spec.levels, spec.width))
        self.layers = nn.ModuleList(same(FusionLayer, spec) for _ in range(spec.encoder.depth))

    def forward(self, map_BPD: Tensor, levels: Sequence[Level], words: Wording) -> tuple[Tensor, Tensor]:
        place_BPD = torch.cat([self._places(level) + own for level, own in zip(levels, self.level, strict=True)], 1)
        at, place_BPD, text_BTD = cells(levels), place_BPD.to(map_BPD.dtype), words.states_BTD
        for layer in self.layers:
            map_BPD, text_BTD = layer(map_BPD, text_BTD, levels, at, place_BPD, words)
        return map_BPD, text_BTD

    def _places(self, level: Level) -> Tensor:
        """Rows and columns in turns of each picture, half of the width for either: [B, P, D]."""
        half, hot = self.spec.width // 2, self.spec.temperature
        y_BHF, x_BWF = (waves(_turns(part), half, hot) for part in (level.rows_BH, level.columns_BW))
        y_BHWF = y_BHF[:, :, None].expand(-1, -1, level.width, -1)
        return torch.cat([y_BHWF, x_BWF[:, None].expand_as(y_BHWF)], -1).flatten(1, 2)


def _turns(seen_BS: Tensor) -> Tensor:
    """How far along its picture's side each cell ends."""
    counted = seen_BS.cumsum(1, dtype=torch.float32)
    return counted / (counted[:, -1:] + 1e-6)
