"""A decoder that writes, and may see."""

from __future__ import annotations

from torch import Tensor, nn

from chiasm import spec as specs
from chiasm.connect.qformer import Hint
from chiasm.connect.steps import Connector, Visual
from chiasm.heads.multivector import VectorHead
from chiasm.language.decoder import CausalDecoder
from chiasm.layers.attention import Wanted
from chiasm.layers.cache import KVCache
from chiasm.layers.carried import Untouched
from chiasm.layers.linear import scores
from chiasm.model.batch import Batch, Sight
from chiasm.sequence.splice import splice
from chiasm.spec import MultiVector
from chiasm.vision import encoder


class Causal(nn.Module):
    """A decoder that writes text after text and pictures."""

    def __init__(self, spec: specs.Causal) -> None:
        super().__init__()
        self.spec = spec
        if spec.sight is not None:
            self.vision = encoder(spec.sight.encoder)
            self.connect = Connector(spec.sight.connector, spec.sight.encoder.width)
            if spec.sight.carried is not None:
                self.carried = Untouched(spec.sight.carried)
        self.language = CausalDecoder(spec.decoder)
        match spec.head:
            case MultiVector():
                self.vectors = VectorHead(spec.head, spec.decoder.inner)
            case None if not spec.decoder.tied:
                self.head = nn.Linear(spec.decoder.inner, spec.decoder.vocab, bias=False)

    def forward(self, batch: Batch, cache: KVCache | None = None, wanted: Wanted = "all") -> Tensor:
        """Normed hidden states of the batch's positions (or the last one alone), [B, T, D]; `logits` scores them."""
        visual = self.see(batch.sight, batch.hint) if isinstance(batch.sight, Sight) else batch.sight
        return self.read(batch, visual, cache, wanted)

    def see(self, sight: Sight, hint: Hint | None = None) -> Visual:
        """Visual tokens of all pictures of a batch."""
        features_PE = self.vision(sight.patches_PK, sight.grids)
        return self.connect(features_PE, self.vision.laid(sight.grids), sight.sizes, hint)

    def read(self, batch: Batch, visual: Visual | None, cache: KVCache | None = None, wanted: Wanted = "all") -> Tensor:
        """The language half: ids and visual tokens to hidden states."""
        text_BT = batch.ids_BT.masked_fill(batch.slot_BT >= 0, 0)
        hidden_BTD = self.language.embed(text_BT)
        if visual is not None:
            hidden_BTD = splice(hidden_BTD, visual.tokens_VD, batch.slot_BT)
        where_ABT, valid_BT = batch.where_ABT, batch.valid_BT
        return self.language(hidden_BTD, where_ABT, valid_BT, cache, batch.segment_BT, wanted, batch.prompt_BT)

    def embed(self, batch: Batch) -> Tensor:
        """A unit vector for each position, zeros at pads, [B, T, width]; of a model whose head makes them."""
        vectors_BTD: Tensor = self.vectors(self(batch), batch.valid_BT)
        return vectors_BTD

    def logits(self, hidden_BTD: Tensor) -> Tensor:
        """Scores of the vocabulary, [..., S]."""
        weight = self.language.embed.weight if self.spec.decoder.tied else self.head.weight
        logits, cap = scores(hidden_BTD, weight), self.spec.decoder.logit_cap
        return logits if cap is None else (logits / cap).tanh() * cap

    def room(self, rows: int, length: int) -> KVCache:
        """An empty cache for `rows` sequences of up to `length` positions."""
        block, weight = self.spec.decoder.block, self.language.embed.weight
        shape = (self.spec.decoder.depth, rows, block.kv_heads, length, block.head_width)
        return KVCache(*shape, dtype=weight.dtype, device=weight.device, value_width=block.value_width)
