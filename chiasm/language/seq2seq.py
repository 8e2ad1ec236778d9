"""A source read as a whole, a target written after it: T5 and its like, and decoders that ask what an eye saw."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chiasm.layers.attention import Attention, Slot
from chiasm.layers.block import TransformerBlock, branch
from chiasm.layers.boxes import BoxBias, BoxEdges
from chiasm.layers.cache import KVCache
from chiasm.layers.cross import CrossAttention, Held
from chiasm.layers.embed import ScaledEmbedding
from chiasm.layers.norm import norm
from chiasm.layers.relative import RelativeBias
from chiasm.layers.same import same
from chiasm.sequence.masks import causal_mask
from chiasm.spec import Block, EncoderDecoder, Learned, Relative


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
    """Blocks, what tells them places, and a norm at their end."""

    def __init__(self, spec: EncoderDecoder, blocks: nn.ModuleList, *, both_ways: bool) -> None:
        super().__init__()
        self.spec = spec
        match spec.place:
            case Relative():
                self.relative = RelativeBias(spec.place, spec.block.heads, both_ways=both_ways)
            case Learned(count, before):
                self.position = nn.Embedding(before + count, spec.width)
        if spec.boxes is not None and both_ways:
            self.edges, self.page = BoxEdges(spec.boxes, spec.width), BoxBias(spec.boxes, spec.block.heads)
        if spec.embed_norm is not None:
            self.embed_norm = norm(spec.embed_norm, spec.width)
        self.blocks = blocks
        self.norm = norm(spec.block.norm, spec.width)

    def placed(self, hidden_BTD: Tensor, where_BT: Tensor) -> Tensor:
        """Embeddings as the first block takes them; what stands past a learned table is a pad."""
        if isinstance(self.spec.place, Learned):
            count, before = self.spec.place.count, self.spec.place.before
            hidden_BTD = hidden_BTD + self.position(where_BT.clamp(max=count - 1) + before)
        return hidden_BTD if self.spec.embed_norm is None else self.embed_norm(hidden_BTD)

    def mask(self, seen: Tensor) -> Tensor:
        """Which keys the last places see [B or 1, 1, T, keys], with what distances add to their scores. Only distances
        count: pads may stand anywhere."""
        if not isinstance(self.spec.place, Relative):
            return seen
        queries, keys = seen.shape[-2:]
        places = torch.arange(keys, device=seen.device)
        bias: Tensor = self.relative.between(places[keys - queries :], places)
        return bias.masked_fill(~seen, float("-inf"))


class SourceTarget(nn.Module):
    """One embedding, an encoder where there is one, and a decoder (arXiv:1910.10683)."""

    def __init__(self, spec: EncoderDecoder) -> None:
        super().__init__()
        self.spec = spec
        self.embed = (ScaledEmbedding if spec.embed_scale == "root_width" else nn.Embedding)(spec.vocab, spec.width)
        if spec.source:
            readers = nn.ModuleList(same(TransformerBlock, spec.block) for _ in range(spec.source))
            self.encoder = Stack(spec, readers, both_ways=True)
        writers = nn.ModuleList(same(TargetBlock, spec.block) for _ in range(spec.target))
        self.decoder = Stack(spec, writers, both_ways=False)

    def read(self, hidden_BTD: Tensor, where_BT: Tensor, valid_BT: Tensor, boxes_BT4: Tensor | None = None) -> Memory:
        """The source's states and what each layer of the decoder will ask of them. `boxes_BT4` are the boxes of tokens that
        stand on a page, as fractions of it."""
        if self.spec.source:
            hidden_BTD = self.encoder.placed(hidden_BTD, where_BT)
            mask = self.encoder.mask(_one_if_whole(valid_BT)[:, None, None].expand(-1, 1, hidden_BTD.shape[1], -1))
            if boxes_BT4 is not None:
                hidden_BTD, mask = hidden_BTD + self.encoder.edges(boxes_BT4), mask + self.encoder.page(boxes_BT4)
            for block in self.encoder.blocks:
                hidden_BTD = block(hidden_BTD, mask)
            hidden_BTD = self.encoder.norm(hidden_BTD)
        held = tuple(block.cross.hold(hidden_BTD) for block in self._writers())
        return Memory(hidden_BTD, held, valid_BT)

    def forward(
        self, hidden_BTD: Tensor, where_BT: Tensor, valid_BT: Tensor, memory: Memory, cache: KVCache | None = None
    ) -> Tensor:
        """Normed hidden states of a target's positions, all of them or, with a cache, the newest ones."""
        length = hidden_BTD.shape[1]
        if cache is not None:
            cache.advance(valid_BT)
            valid_BT = cache.valid_BT[:, : cache.length]
        later = causal_mask(_one_if_whole(valid_BT), length, None, padded=True)
        assert isinstance(later, Tensor)
        hidden_BTD, mask = self.decoder.placed(hidden_BTD, where_BT), self.decoder.mask(later)
        seen = memory.seen_BT[:, None, None].expand(-1, 1, length, -1)
        for layer, (block, held) in enumerate(zip(self._writers(), memory.held, strict=True)):
            hidden_BTD = block(hidden_BTD, mask, held, seen, None if cache is None else Slot(cache, layer))
        out_BTD: Tensor = self.decoder.norm(hidden_BTD)
        return out_BTD

    def _writers(self) -> list[TargetBlock]:
        return [block for block in self.decoder.blocks if isinstance(block, TargetBlock)]


def _one_if_whole(valid_BT: Tensor) -> Tensor:
    """A single row for all of them where none has pads."""
    return valid_BT[:1] if bool(valid_BT.all()) else valid_BT
