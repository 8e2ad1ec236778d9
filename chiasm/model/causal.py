"""A decoder that writes, and may see."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from chiasm import spec as specs
from chiasm.connect.qformer import Hint
from chiasm.connect.regions import RegionReader
from chiasm.connect.steps import Connector, Visual
from chiasm.heads.multivector import VectorHead
from chiasm.language.decoder import CausalDecoder
from chiasm.language.gated import Gallery, GatedBlocks
from chiasm.layers.attention import Wanted
from chiasm.layers.cache import KVCache
from chiasm.layers.carried import Untouched
from chiasm.layers.delta import begun
from chiasm.layers.embed import head, tables
from chiasm.layers.linear import Packed, packs, scores
from chiasm.model.batch import Asks, Batch, Sight, Spots
from chiasm.model.pointing import Pointer
from chiasm.place import NOTHING
from chiasm.sequence.masks import expert_mask
from chiasm.sequence.splice import splice
from chiasm.sequence.words import words
from chiasm.spec import Discrete, MultiVector, Pointing
from chiasm.vision import encoder
from chiasm.vision.vit import VisionTransformer


class Causal(nn.Module):
    """A decoder that writes text after text and pictures."""

    def __init__(self, spec: specs.Causal) -> None:
        super().__init__()
        self.spec = spec
        expert = None
        if spec.sight is not None:
            self.vision = encoder(spec.sight.encoder)
            self.connect = Connector(spec.sight.connector, spec.sight.encoder.width)
            if spec.sight.carried is not None:
                self.carried = Untouched(spec.sight.carried)
            match spec.sight.fusion:
                case specs.Cross() as fusion:
                    self.gated = GatedBlocks(fusion, self.connect.width)
                case specs.Expert(qkv_bias=bias):
                    expert = replace(spec.decoder.block, qkv_bias=bias)
                case specs.Splice() | specs.Alone() | specs.AddByBox():
                    pass
        self.language = CausalDecoder(spec.decoder, expert)
        if spec.regions is not None and spec.sight is not None:
            self.regions = RegionReader(spec.regions, spec.sight.encoder.width, spec.decoder.width)
        match spec.head:
            case MultiVector():
                self.vectors = VectorHead(spec.head, spec.decoder.inner)
            case Pointing():
                self.pointer = Pointer(spec.head, spec.decoder.width)
        if spec.writes and not spec.decoder.tied:
            self.head = head(spec.decoder)
        self.laid: Packed | None = None

    def forward(self, batch: Batch, cache: KVCache | None = None, wanted: Wanted = "all") -> Tensor:
        """Normed hidden states of the batch's positions (or the last one alone), [B, T, D]; `logits` scores them."""
        visual = self.see(batch.sight, batch.hint) if isinstance(batch.sight, Sight) else batch.sight
        return self.read(batch, visual, cache, wanted)

    def see(self, sight: Sight, hint: Hint | None = None) -> Visual:
        """Visual tokens of all pictures of a batch."""
        features_PE = self.vision(sight.patches_PK, sight.grids)
        visual = self.connect(features_PE, self.vision.laid(sight.grids), sight.sizes, hint, sight.nth)
        if self.spec.sight is not None and isinstance(self.spec.sight.fusion, Discrete):
            return replace(visual, tokens_VD=self.language.embed(words(self.spec.sight.fusion, visual.tokens_VD[:, 0])))
        return visual

    def read(self, batch: Batch, visual: Visual | None, cache: KVCache | None = None, wanted: Wanted = "all") -> Tensor:
        """The language half: ids and visual tokens to hidden states."""
        text_BT = batch.ids_BT.masked_fill(batch.slot_BT >= 0, 0)
        hidden_BTD = self.language.embed(text_BT)
        visual_BT = None
        if visual is not None and batch.asks is None:
            hidden_BTD = splice(hidden_BTD, self.language.led(visual.tokens_VD), batch.slot_BT)
            visual_BT = self._visual(batch.slot_BT)
        if batch.spots is not None:
            hidden_BTD = self._pointed(batch, batch.spots, hidden_BTD)
        gallery = self._hung(batch.asks, visual, hidden_BTD)
        if cache is not None and gallery is not None:
            cache.beside = gallery.last(1)
        between = None if gallery is None else self.gated.between(gallery)
        where_ABT, valid_BT, segment_BT, prompt_BT = batch.where_ABT, batch.valid_BT, batch.segment_BT, batch.prompt_BT
        return self.language(hidden_BTD, where_ABT, valid_BT, cache, segment_BT, wanted, prompt_BT, between, visual_BT)

    def _pointed(self, batch: Batch, spots: Spots, hidden_BTD: Tensor) -> Tensor:
        """With the vectors of rectangles in the places of their marks."""
        assert isinstance(batch.sight, Sight) and isinstance(self.vision, VisionTransformer) and self.spec.regions is not None
        maps = self.vision.maps(batch.sight.patches_PK, batch.sight.grids, self.spec.regions.taps)
        marked_BT = (batch.ids_BT == self.spec.regions.mark) & batch.valid_BT & (batch.slot_BT < 0)
        pointed_BTD = hidden_BTD.clone()
        pointed_BTD[marked_BT] = self.regions(maps, spots.boxes_R4, spots.item_R).to(hidden_BTD.dtype)
        return pointed_BTD

    def read_on(self, ids_BT: Tensor, where_ABT: Tensor, valid_BT: Tensor, cache: KVCache) -> Tensor:
        """Text after what the cache's rows have read, to hidden states."""
        between = self.gated.between(cache.beside) if isinstance(cache.beside, Gallery) else None
        return self.language(self.language.embed(ids_BT), where_ABT, valid_BT, cache, between=between)

    def _visual(self, slot_BT: Tensor) -> Tensor | None:
        """Which positions go through the expert's weights, where there is one."""
        return expert_mask(slot_BT) if self.spec.sight and isinstance(self.spec.sight.fusion, specs.Expert) else None

    def _hung(self, asks: Asks | None, visual: Visual | None, hidden_BTD: Tensor) -> Gallery | None:
        """What the gated blocks see, where there are any that run."""
        if asks is None:
            return None
        if visual is not None:
            return self.gated.hang(visual.tokens_VD, visual.laid, asks.rows_I, asks.sees_B2T)
        if isinstance(self.gated.spec.blind, specs.Everything):
            return None
        return self.gated.hang(hidden_BTD.new_zeros(0, self.connect.width), NOTHING, (), asks.sees_B2T)

    def embed(self, batch: Batch) -> Tensor:
        """A unit vector for each position, zeros at pads, [B, T, width]; of a model whose head makes them."""
        vectors_BTD: Tensor = self.vectors(self(batch), batch.valid_BT)
        return vectors_BTD

    def logits(self, hidden_BTD: Tensor) -> Tensor:
        """Scores of the vocabulary, [..., S]."""
        if self.laid is not None:
            parts = [self.laid.forward(hidden_BTD)]
        else:
            parts = [scores(hidden_BTD, table) for table in self._tables]
        logits, cap = parts[0] if len(parts) == 1 else torch.cat(parts, -1), self.spec.decoder.logit_cap
        logits = logits if cap is None else (logits / cap).tanh() * cap
        for first, count in self.spec.decoder.silent:
            logits[..., first : first + count] = torch.finfo(logits.dtype).min
        return logits

    @property
    def _tables(self) -> list[Tensor]:
        return tables(self.language.embed if self.spec.decoder.tied else self.head)

    def lay_head(self) -> None:
        """Keeps the vocabulary's table in oneDNN's layout as well, for good, where it is one and can be: a single row is read
        in half of the time then."""
        match self._tables:
            case [Tensor() as table] if packs(table):
                whole = nn.Linear(table.shape[1], table.shape[0], bias=False, device="meta")
                whole.weight = nn.Parameter(table.detach(), requires_grad=False)
                self.laid = Packed(whole)

    def room(self, rows: int, length: int) -> KVCache:
        """An empty cache for `rows` sequences of up to `length` positions."""
        block, weight, deltas = self.spec.decoder.block, self.language.embed.weight, self.spec.decoder.deltas
        shape = (self.spec.decoder.depth - len(deltas), rows, block.kv_heads, length, block.head_width)
        running = [begun(delta, rows, weight) for delta in deltas]
        return KVCache(*shape, dtype=weight.dtype, device=weight.device, value_width=block.value_width, running=running)
