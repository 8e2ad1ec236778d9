"""The text towers of contrastive models."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chiasm.errors import Overflow
from chiasm.layers.block import TransformerBlock
from chiasm.layers.norm import norm
from chiasm.layers.same import same
from chiasm.sequence.masks import causal_mask
from chiasm.spec import TextTower


class TextEncoder(nn.Module):
    """Ids to one vector a row: [B, project]. Positions are learned; longer rows than the table raise `Overflow`."""

    def __init__(self, spec: TextTower) -> None:
        super().__init__()
        self.spec = spec
        width = spec.block.width
        self.embed = nn.Embedding(spec.vocab, width)
        self.position = nn.Embedding(spec.positions, width)
        self.blocks = nn.ModuleList(same(TransformerBlock, spec.block) for _ in range(spec.depth))
        self.norm = norm(spec.block.norm, width)
        self.project = nn.Linear(width, spec.project, spec.project_bias)

    def forward(self, ids_BT: Tensor, valid_BT: Tensor) -> Tensor:
        length = ids_BT.shape[1]
        if length > self.spec.positions:
            raise Overflow(
                f"{length} tokens of text, {self.spec.positions} at most: shorten it by {length - self.spec.positions}"
            )
        hidden = self.embed(ids_BT) + self.position.weight[:length]
        padded = not bool(valid_BT.all())
        if self.spec.mask == "causal":
            mask = causal_mask(valid_BT, length, None, padded)
        else:
            mask = valid_BT[:, None, None].expand(-1, 1, length, -1) if padded else "full"
        for block in self.blocks:
            hidden = block(hidden, mask)
        hidden = self.norm(hidden)
        return self.project(hidden[torch.arange(len(ids_BT)), self._last(ids_BT)])

    def _last(self, ids_BT: Tensor) -> Tensor:
        """The position whose state stands for the row."""
        match self.spec.pool:
            case "first_end":
                return (ids_BT == self.spec.end).int().argmax(-1)
            case "highest":
                return ids_BT.argmax(-1)
            case "last":
                return torch.full((len(ids_BT),), ids_BT.shape[1] - 1, device=ids_BT.device)
