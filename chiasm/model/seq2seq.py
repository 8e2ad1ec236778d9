"""A source read as a whole, a target written after it; the source may hold pictures, or be one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chiasm import spec as specs
from chiasm.connect.qformer import Hint
from chiasm.connect.steps import Connector, Visual
from chiasm.language.seq2seq import Memory, SourceTarget
from chiasm.layers.cache import KVCache
from chiasm.layers.carried import Untouched
from chiasm.layers.linear import scores
from chiasm.model.batch import Batch, Sight
from chiasm.place import fractions
from chiasm.sequence.by_box import Joined, join_by_box
from chiasm.sequence.splice import splice
from chiasm.vision import encoder


class Seq2Seq(nn.Module):
    """Reads a source as a whole, then writes a target."""

    def __init__(self, spec: specs.Seq2Seq) -> None:
        super().__init__()
        self.spec = spec
        if spec.sight is not None:
            self.vision = encoder(spec.sight.encoder)
            self.connect = Connector(spec.sight.connector, spec.sight.encoder.width)
            if spec.sight.carried is not None:
                self.carried = Untouched(spec.sight.carried)
        self.language = SourceTarget(spec.language)
        if not spec.language.tied:
            self.head = nn.Linear(spec.language.width, spec.language.vocab, bias=False)

    def forward(self, batch: Batch) -> Tensor:
        """Normed hidden states of the targets' positions, [B, T, D]; `logits` scores them."""
        visual = self.see(batch.sight, batch.hint) if isinstance(batch.sight, Sight) else batch.sight
        assert batch.target is not None
        return self.write(batch.target, self.read(batch, visual))

    def see(self, sight: Sight, hint: Hint | None = None) -> Visual:
        """Visual tokens of all pictures of a batch."""
        features_PE = self.vision(sight.patches_PK, sight.grids)
        return self.connect(features_PE, self.vision.laid(sight.grids), sight.sizes, hint)

    def read(self, batch: Batch, visual: Visual | None) -> Memory:
        """What the decoder asks of the sources: ids, and visual tokens in their places."""
        hidden_BTD = self.language.embed(batch.ids_BT.masked_fill(batch.slot_BT >= 0, 0))
        if batch.boxes_BT4 is not None:
            return self._read_page(Joined(hidden_BTD, batch.boxes_BT4, batch.valid_BT), visual)
        if visual is not None:
            hidden_BTD = splice(hidden_BTD, visual.tokens_VD, batch.slot_BT)
        return self.language.read(hidden_BTD, batch.where_ABT[0], batch.valid_BT)

    def _read_page(self, words: Joined, visual: Visual | None) -> Memory:
        """Words in boxes, and their pages where they are seen."""
        if visual is not None:
            pages = visual.laid.grids
            patches_BPD = visual.tokens_VD.unflatten(0, (len(pages), -1))
            boxes_P4 = torch.from_numpy(fractions(visual.laid)[: pages[0].cells]).to(patches_BPD.device)
            words = join_by_box(words, patches_BPD, boxes_P4, (pages[0].h, pages[0].w))
        where_BT = torch.arange(words.valid_BT.shape[1], device=words.valid_BT.device).expand_as(words.valid_BT)
        return self.language.read(words.hidden_BTD, where_BT, words.valid_BT, words.boxes_BT4)

    def write(self, target: Batch, memory: Memory, cache: KVCache | None = None) -> Tensor:
        """Normed hidden states of the targets' positions, [B, T, D]; with a cache they are the newest ones."""
        hidden_BTD: Tensor = self.language.embed(target.ids_BT)
        return self.language(hidden_BTD, target.where_ABT[0], target.valid_BT, memory, cache)

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
