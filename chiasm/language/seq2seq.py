"""A source read as a whole, a target written after it: T5 and its like."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chiasm.layers.attention import Attention, Slot
from chiasm.layers.block import TransformerBlock, branch
from chiasm.layers.cache import KVCache
from chiasm.layers.cross import CrossAttention, Held
from chiasm.layers.norm import norm
from chiasm.layers.relative import RelativeBias
from chiasm.spec import Block, EncoderDecoder


@dataclass(frozen=True)
class Memory:
    """A source as the decoder's layers see it, `seen_BT` false at its pads."""

    states_BTD: Tensor
    held: tuple[Held, ...]
    seen_BT: Tensor

    def pick(self, rows: list[int]) -> Memory:
        """These rows, in this order."""
        held = tuple(Held(k[rows], v[rows]) for k, v in self.held)
        return Memory(self.states_BTD[rows], held, self.seen_BT[rows])


class TargetBlock(nn.Module):
    """A pre-norm block that asks its own past, then the source."""

    def __init__(self, spec: Block) -> None:
        super().__init__()
        self.norm1, self.norm_cross, self.norm2 = (norm(spec.norm, spec.width) for _ in range(3))
        self.attention, self.cross, self.mlp = Attention(spec), CrossAttention(spec), branch(spec)

    def forward(self, x_BTD: Tensor, mask: Tensor, held: Held, seen: Tensor, slot: Slot | None) -> Tensor:
        x_BTD = x_BTD + self.attention(self.norm1(x_BTD), mask, None, slot)
        x_BTD = x_BTD + self.cross(self.norm_cross(x_BTD), held, seen)
        out_BTD: Tensor = x_BTD + self.mlp(self.norm2(x_BTD))
        return out_BTD


class Stack(nn.Module):
    """Blocks with one table of distances among them, and a norm at their end."""

    def __init__(self, spec: EncoderDecoder, blocks: nn.ModuleList, *, both_ways: bool) -> None:
        super().__init__()
        self.relative = RelativeBias(spec.relative, spec.block.heads, both_ways=both_ways)
        self.blocks = blocks
        self.norm = norm(spec.block.norm, spec.width)

    def bias(self, queries: int, keys: int) -> Tensor:
        """What the last `queries` of `keys` places add to their scores."""
        places = torch.arange(keys, device=self.relative.weight.device)
        return self.relative.between(places[keys - queries :], places)


class SourceTarget(nn.Module):
    """One embedding, an encoder and a decoder (arXiv:1910.10683)."""

    def __init__(self, spec: EncoderDecoder) -> None:
        super().__init__()
        self.spec = spec
        self.embed = nn.Embedding(spec.vocab, spec.width)
        readers = nn.ModuleList(TransformerBlock(spec.block) for _ in range(spec.source))
        writers = nn.ModuleList(TargetBlock(spec.block) for _ in range(spec.target))
        self.encoder = Stack(spec, readers, both_ways=True)
        self.decoder = Stack(spec, writers, both_ways=False)

    def read(self, hidden_BTD: Tensor, valid_BT: Tensor) -> Memory:
        """The source's states and what each layer of the decoder will ask of them. Distances alone count: pads may stand
        anywhere."""
        length = hidden_BTD.shape[1]
        mask = self.encoder.bias(length, length).masked_fill(~valid_BT[:, None, None], float("-inf"))
        for block in self.encoder.blocks:
            hidden_BTD = block(hidden_BTD, mask)
        states_BTD = self.encoder.norm(hidden_BTD)
        held = tuple(block.cross.hold(states_BTD) for block in self._writers())
        return Memory(states_BTD, held, valid_BT)

    def forward(self, hidden_BTD: Tensor, memory: Memory, cache: KVCache | None = None) -> Tensor:
        """Normed hidden states of a target's positions, all of them or, with a cache, the newest ones; without pads."""
        rows, length = hidden_BTD.shape[:2]
        if cache is not None:
            cache.advance(torch.ones(rows, length, dtype=torch.bool, device=hidden_BTD.device))
        total = length if cache is None else cache.length
        later = torch.ones(length, total, dtype=torch.bool, device=hidden_BTD.device).triu(total - length + 1)
        mask = self.decoder.bias(length, total).masked_fill(later, float("-inf"))
        seen = memory.seen_BT[:, None, None].expand(-1, 1, length, -1)
        for layer, (block, held) in enumerate(zip(self._writers(), memory.held, strict=True)):
            hidden_BTD = block(hidden_BTD, mask, held, seen, None if cache is None else Slot(cache, layer))
        out_BTD: Tensor = self.decoder.norm(hidden_BTD)
        return out_BTD

    def _writers(self) -> list[TargetBlock]:
        return [block for block in self.decoder.blocks if isinstance(block, TargetBlock)]
