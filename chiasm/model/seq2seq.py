"""A source read as a whole, a target written after it."""

from __future__ import annotations

from torch import Tensor, nn

from chiasm import spec as specs
from chiasm.language.seq2seq import Memory, SourceTarget
from chiasm.layers.cache import KVCache
from chiasm.layers.linear import scores


class Seq2Seq(nn.Module):
    """Reads a source as a whole, then writes a target."""

    def __init__(self, spec: specs.Seq2Seq) -> None:
        super().__init__()
        self.spec = spec
        self.language = SourceTarget(spec.language)
        if not spec.language.tied:
            self.head = nn.Linear(spec.language.width, spec.language.vocab, bias=False)

    def read(self, ids_BT: Tensor, valid_BT: Tensor) -> Memory:
        """What the decoder asks of a source; pads may stand anywhere."""
        return self.language.read(self.language.embed(ids_BT), valid_BT)

    def forward(self, ids_BT: Tensor, memory: Memory, cache: KVCache | None = None) -> Tensor:
        """Normed hidden states of a target's positions, [B, T, D]; with a cache they are the newest ones."""
        hidden_BTD: Tensor = self.language(self.language.embed(ids_BT), memory, cache)
        return hidden_BTD

    def logits(self, hidden_BTD: Tensor) -> Tensor:
        """Scores of the vocabulary, [..., S]."""
        spec = self.spec.language
        if spec.head_scale == "by_root_width":
            hidden_BTD = hidden_BTD * spec.width**-0.5
        return scores(hidden_BTD, self.language.embed.weight if spec.tied else self.head.weight)

    def room(self, rows: int, length: int) -> KVCache:
        """An empty cache for `rows` targets of up to `length` positions."""
        spec, weight = self.spec.language, self.language.embed.weight
        return KVCache(spec.target, rows, spec.block.kv_heads, length, spec.block.head_width, weight.dtype, weight.device)
