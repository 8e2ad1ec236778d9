"""Text encoders whose tokens know where on a page they stand: LayoutLM and its third edition."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from chiasm.errors import BadPrompt, Overflow
from chiasm.layers.attend import Mask
from chiasm.layers.block import transformer_block
from chiasm.layers.norm import norm
from chiasm.layers.relative import RelativeBias
from chiasm.layers.same import same
from chiasm.spec import BoxTables, EncodePage, Learned


class BoxEmbedding(nn.Module):
    """Boxes (x0, y0, x1, y1) in steps of the page, [B, T, 4], to a vector each. Raises `BadPrompt` for one beyond the page."""

    def __init__(self, spec: BoxTables) -> None:
        super().__init__()
        self.spec = spec
        self.x, self.y = (nn.Embedding(spec.places, spec.corner) for _ in range(2))
        self.height, self.width = (nn.Embedding(spec.places, spec.size) for _ in range(2))

    def forward(self, boxes_BT4: Tensor) -> Tensor:
        last = self.spec.places - 1
        if bool(((boxes_BT4 < 0) | (boxes_BT4 > last)).any()):
            message = (
                f"a box reaches beyond its page: edges are whole numbers from 0 to 1000, and {last} is the largest known here"
            )
            raise BadPrompt(message)
        x0, y0, x1, y1 = boxes_BT4.unbind(-1)
        parts = [
            self.x(x0), self.y(y0), self.x(x1), self.y(y1),
            self.height((y1 - y0).clamp(0, last)), self.width((x1 - x0).clamp(0, last)),
        ]  # fmt: skip
        return torch.stack(parts).sum(0) if self.spec.join == "added" else torch.cat(parts, -1)


class PageEncoder(nn.Module):
    """Words to hidden states in two steps, between which a page's patches may be put after them."""

    def __init__(self, spec: EncodePage) -> None:
        super().__init__()
        text = spec.text
        self.spec, self.place = spec, cast(Learned, text.place)
        width = text.block.width
        self.embed, self.kind = nn.Embedding(text.vocab, width), nn.Embedding(text.kinds, width)
        self.position = nn.Embedding(self.place.before + self.place.count, width)
        self.boxes = BoxEmbedding(spec.boxes)
        self.embed_norm = norm(text.block.norm, width)
        self.blocks = nn.ModuleList(same(transformer_block, text.block) for _ in range(text.depth))
        if spec.bias.line is not None:
            self.line = RelativeBias(spec.bias.line, text.block.heads, both_ways=True)
        if spec.bias.page is not None:
            self.across, self.down = (RelativeBias(spec.bias.page, text.block.heads, both_ways=True) for _ in range(2))
        if text.pool == "tanh":
            self.pool = nn.Linear(width, width)

    def embedded(self, ids_BT: Tensor, valid_BT: Tensor, kinds_BT: Tensor, boxes_BT4: Tensor) -> Tensor:
        """Words, their kinds, places and boxes as the first block takes them, [B, T, D]. Raises `Overflow` for rows beyond the
        context. A pad's place is the one before the first."""
        length = ids_BT.shape[1]
        if length > self.spec.text.context:
            over = length - self.spec.text.context
            raise Overflow(f"{length} tokens of text, {self.spec.text.context} at most: shorten it by {over}")
        where_BT = (valid_BT.cumsum(1) * valid_BT - 1 + self.place.before).clamp(min=0)
        hidden_BTD = self.embed(ids_BT) + self.kind(kinds_BT) + self.position(where_BT) + self.boxes(boxes_BT4)
        out_BTD: Tensor = self.embed_norm(hidden_BTD)
        return out_BTD

    def forward(self, hidden_BTD: Tensor, valid_BT: Tensor, where_BT: Tensor, boxes_BT4: Tensor) -> Tensor:
        """States of all tokens, patches too: each sees every one that is no pad, wherever it stands."""
        mask = self._mask(valid_BT, where_BT, boxes_BT4)
        for block in self.blocks:
            hidden_BTD = block(hidden_BTD, mask)
        return hidden_BTD

    def pooled(self, states_BTD: Tensor) -> Tensor:
        """One vector a row, [B, D]: tanh of the first token's state through a linear layer."""
        return torch.tanh(self.pool(states_BTD[:, 0]))

    def _mask(self, valid_BT: Tensor, where_BT: Tensor, boxes_BT4: Tensor) -> Mask:
        parts = [self.line.among(where_BT)] if self.spec.bias.line is not None else []
        if self.spec.bias.page is not None:
            parts += [self.across.among(boxes_BT4[..., 0]), self.down.among(boxes_BT4[..., 3])]
        seen = valid_BT[:, None, None]
        if not parts:
            return seen.expand(-1, 1, seen.shape[-1], -1)
        scaled: Tensor = torch.stack(parts).sum(0) * self.spec.text.block.head_width**-0.5
        return scaled.masked_fill(~seen, float("-inf"))
