"""The causal decoder of the Llama kind: Llama, Vicuna, Mistral, Qwen2 and their like."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from chiasm.layers.attention import Mask, Slot, Wanted
from chiasm.layers.block import TransformerBlock
from chiasm.layers.cache import KVCache
from chiasm.layers.norm import norm
from chiasm.layers.rope import Turn, turn
from chiasm.sequence.masks import branched_mask, causal_mask
from chiasm.spec import Decoder


class OneRow(Protocol):
    """Runs all blocks over the newest position of a single row, quicker than they would themselves."""

    def __call__(self, hidden_BTD: Tensor, by: Turn, cache: KVCache) -> Tensor: ...


class CausalDecoder(nn.Module):
    """Embedding, blocks, final norm; the head is apart, so that logits are computed where they are wanted alone.

    `forward(hidden_BTD, where_ABT, valid_BT, cache)` returns normed hidden states of the same positions, or of the last
    one alone. With a cache the positions are the newest ones and see everything that was read before. `segment_BT` marks
    branches that share a prefix.
    """

    def __init__(self, spec: Decoder) -> None:
        super().__init__()
        self.spec = spec
        self.embed = nn.Embedding(spec.vocab, spec.width)
        self.blocks = nn.ModuleList(TransformerBlock(spec.block) for _ in range(spec.depth))
        self.norm = norm(spec.block.norm, spec.width)
        self.one_row: OneRow | None = None

    def forward(
        self,
        hidden_BTD: Tensor,
        where_ABT: Tensor,
        valid_BT: Tensor,
        cache: KVCache | None = None,
        segment_BT: Tensor | None = None,
        wanted: Wanted = "all",
    ) -> Tensor:
        by = turn(self.spec.rope, self.spec.block.head_width, where_ABT).to(hidden_BTD.dtype)
        if segment_BT is not None:
            mask: Mask = branched_mask(valid_BT, segment_BT)
        elif cache is None:
            mask = causal_mask(valid_BT, valid_BT.shape[1], self.spec.window, not bool(valid_BT.all()))
        else:
            cache.advance(valid_BT)
            seen_BT = cache.valid_BT[:, : cache.length]
            mask = causal_mask(seen_BT, valid_BT.shape[1], self.spec.window, cache.padded)
        if self.one_row is not None and cache is not None and hidden_BTD.shape[:2] == (1, 1) and mask == "full":
            return self.norm(self.one_row(hidden_BTD, by, cache))
        for layer, block in enumerate(self.blocks):
            slot = None if cache is None else Slot(cache, layer)
            hidden_BTD = block(hidden_BTD, mask, by, slot, wanted if layer + 1 == len(self.blocks) else "all")
        return self.norm(hidden_BTD)
