"""BLIP-2's Q-Former (arXiv:2301.12597): learned queries read a view, and a text beside it where one is given."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chiasm.connect.queries import fresh
from chiasm.errors import BadPrompt, Overflow
from chiasm.layers.attend import Mask
from chiasm.layers.attention import Attention
from chiasm.layers.cross import CrossAttention
from chiasm.layers.mlp import mlp
from chiasm.layers.norm import norm
from chiasm.layers.same import same
from chiasm.spec import Block, QFormer


@dataclass(frozen=True)
class Hint:
    """Text that a connector reads with each item: ids and which of them are no pads; pads on the right."""

    ids_IT: Tensor
    valid_IT: Tensor

    def of(self, items: list[int]) -> Hint:
        """The text of these items, in this order."""
        return Hint(self.ids_IT[items], self.valid_IT[items])

    def to(self, device: torch.device | str) -> Hint:
        """The same on another device."""
        return Hint(self.ids_IT.to(device), self.valid_IT.to(device))


class QueryBlock(nn.Module):
    """Queries and words attend to one another; then the queries alone ask what was seen, where the block has a `view`; then
    each kind passes its own MLP. A norm after every sum."""

    def __init__(self, spec: Block, view: int | None, reads: bool) -> None:
        super().__init__()
        self.attention, self.norm1 = Attention(spec), norm(spec.norm, spec.width)
        self.cross = None if view is None else CrossAttention(spec, view)
        self.norm_cross = None if view is None else norm(spec.norm, spec.width)
        self.mlp, self.norm2 = mlp(spec), norm(spec.norm, spec.width)
        self.mlp_words = mlp(spec) if reads else None
        self.norm_words = norm(spec.norm, spec.width) if reads else None

    def forward(self, x_BTD: Tensor, mask: Mask, queries: int, view_BSE: Tensor, seen: Mask) -> Tensor:
        """Of T positions the first `queries` are queries."""
        x_BTD = self.norm1(x_BTD + self.attention(x_BTD, mask))
        asks_BGD, words_BTD = x_BTD[:, :queries], x_BTD[:, queries:]
        if self.cross is not None and self.norm_cross is not None and queries:
            asks_BGD = self.norm_cross(asks_BGD + self.cross(asks_BGD, self.cross.hold(view_BSE), seen))
        asks_BGD = self.norm2(asks_BGD + self.mlp(asks_BGD))
        if self.mlp_words is None or self.norm_words is None or not words_BTD.shape[1]:
            return asks_BGD
        words_BTD = self.norm_words(words_BTD + self.mlp_words(words_BTD))
        return torch.cat([asks_BGD, words_BTD], 1)


class QueryTransformer(nn.Module):
    """Every view's tokens become as many as there are queries."""

    def __init__(self, spec: QFormer, width: int) -> None:
        super().__init__()
        self.spec = spec
        block = spec.block
        self.queries = fresh(spec.queries, block.width)
        if spec.added:
            self.added = fresh(spec.added, block.width)
        if spec.words is not None:
            self.embed = nn.Embedding(spec.words.vocab, block.width)
            self.position = nn.Embedding(spec.words.positions, block.width)
        self.embed_norm = norm(block.norm, block.width)
        views = [width if layer % spec.every == 0 else None for layer in range(spec.depth)]
        self.blocks = nn.ModuleList(same(QueryBlock, block, view, spec.words is not None) for view in views)

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None, hint: Hint | None) -> Tensor:
        """Tokens of views along a route; `hint` is the text of each of the views."""
        return self.ask(*self.views(x_VD, index_VM), hint).flatten(0, 1)

    def views(self, x_VD: Tensor, index_VM: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens view by view, [B, S, E], and which of them are there, [B, S]."""
        index_BS = index_VM[:: self.spec.queries + self.spec.added]
        return x_VD[index_BS.clamp(min=0)], index_BS >= 0

    def ask(self, view_BSE: Tensor, seen_BS: Tensor, hint: Hint | None, felt_BG: Tensor | None = None) -> Tensor:
        """What the queries make of views, [B, G, D], with a text for each of them or without any. Where there is a text,
        `felt_BG` may hide queries from it and from one another."""
        asks_GD = torch.cat([self.queries, self.added]) if self.spec.added else self.queries
        x_BTD = asks_GD.expand(len(view_BSE), -1, -1)
        mask: Mask = "full"
        if hint is not None:
            x_BTD = torch.cat([x_BTD, self._embedded(hint.ids_IT)], 1)
            felt_BG = hint.valid_IT.new_ones(len(x_BTD), len(asks_GD)) if felt_BG is None else felt_BG
            there_BT = torch.cat([felt_BG, hint.valid_IT], 1)
            mask = there_BT[:, None, None].expand(-1, 1, x_BTD.shape[1], -1)
        seen: Mask = "full" if bool(seen_BS.all()) else seen_BS[:, None, None].expand(-1, 1, len(asks_GD), -1)
        x_BTD = self.embed_norm(x_BTD)
        for block in self.blocks:
            x_BTD = block(x_BTD, mask, len(asks_GD), view_BSE, seen)
        return x_BTD[:, : len(asks_GD)]

    def tell(self, hint: Hint) -> Tensor:
        """What the blocks make of texts by themselves, [B, T, D]."""
        x_BTD = self.embed_norm(self._embedded(hint.ids_IT))
        mask: Mask = hint.valid_IT[:, None, None].expand(-1, 1, x_BTD.shape[1], -1)
        for block in self.blocks:
            x_BTD = block(x_BTD, mask, 0, x_BTD, "full")
        return x_BTD

    def _embedded(self, ids_BT: Tensor) -> Tensor:
        """Words with their places, counted from the first of them. Raises `Overflow` for more than there are places."""
        words = self.spec.words
        if words is None:
            raise BadPrompt("a text was given to a connector that reads none: leave it out")
        if ids_BT.shape[1] > words.positions:
            over = ids_BT.shape[1] - words.positions
            raise Overflow(f"the connector reads {words.positions} tokens of text at most: shorten the text by {over}")
        where_T = torch.arange(ids_BT.shape[1], device=ids_BT.device)
        embedded_BTD: Tensor = self.embed(ids_BT) + self.position(where_T)
        return embedded_BTD
