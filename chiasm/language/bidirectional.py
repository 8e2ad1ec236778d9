"""Text encoders whose tokens see the whole row: BERT and its like."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chiasm.errors import Overflow
from chiasm.layers.attend import Mask
from chiasm.layers.block import transformer_block
from chiasm.layers.carried import Untouched
from chiasm.layers.norm import norm
from chiasm.layers.rope import Turn, turn
from chiasm.layers.same import same
from chiasm.spec import Bidirectional, Carried, Learned, Rope


class BidirectionalEncoder(nn.Module):
    """Ids to a state for each token, [B, T, D] (arXiv:1810.04805). Places are counted from each row's first position, so pads
    belong on the right; rows longer than the context raise `Overflow`."""

    def __init__(self, spec: Bidirectional) -> None:
        super().__init__()
        self.spec = spec
        width = spec.block.width
        self.embed = nn.Embedding(spec.vocab, width)
        self.kind = nn.Embedding(spec.kinds, width)
        if isinstance(spec.place, Learned):
            self.position = nn.Embedding(spec.place.before + spec.place.count, width)
        self.embed_norm = norm(spec.block.norm, width)
        self.blocks = nn.ModuleList(same(transformer_block, spec.block) for _ in range(spec.depth))
        if spec.pool == "tanh":
            self.pool = nn.Linear(width, width)
        if spec.carried:
            self.carried = Untouched(Carried(spec.carried))

    def forward(
        self, ids_BT: Tensor, valid_BT: Tensor, kinds_BT: Tensor | None = None, where_BT: Tensor | None = None
    ) -> Tensor:
        """`valid_BT` is false at pads; with one more axis it says what each token sees, or is added to their scores. `where_BT`
        are places of their own."""
        length = ids_BT.shape[1]
        if length > self.spec.context:
            message = f"{length} tokens of text, {self.spec.context} at most: shorten it by {length - self.spec.context}"
            raise Overflow(message)
        kinds_BT = torch.zeros_like(ids_BT) if kinds_BT is None else kinds_BT
        where_BT = self._counted(valid_BT) if where_BT is None else where_BT
        hidden_BTD, by = self._placed(self.embed(ids_BT) + self.kind(kinds_BT), where_BT)
        hidden_BTD = self.embed_norm(hidden_BTD)
        padded = not bool(valid_BT.all())
        seen_BTT = valid_BT if valid_BT.ndim == 3 else valid_BT[:, None].expand(-1, length, -1)
        if self.spec.reach is not None and self.spec.reach < length - 1:
            seen_BTT, padded = seen_BTT & self._near(length, ids_BT.device), True
        mask: Mask = seen_BTT[:, None] if padded else "full"
        for block in self.blocks:
            hidden_BTD = block(hidden_BTD, mask, by)
        return hidden_BTD

    def pooled(self, states_BTD: Tensor) -> Tensor:
        """One vector a row, [B, D]: tanh of the first token's state through a linear layer."""
        return torch.tanh(self.pool(states_BTD[:, 0]))

    def _counted(self, valid_BT: Tensor) -> Tensor:
        """The place of each token in its row."""
        if self.spec.counts == "places":
            return torch.arange(valid_BT.shape[1], device=valid_BT.device).expand(valid_BT.shape[:2])
        return (valid_BT.long().cumsum(1) - 1).clamp(min=0)

    def _near(self, length: int, device: torch.device) -> Tensor:
        """Which token each token has within its reach, [T, T]."""
        at_T = torch.arange(length, device=device)
        return (at_T[:, None] - at_T).abs() <= (self.spec.reach or 0)

    def _placed(self, hidden_BTD: Tensor, where_BT: Tensor) -> tuple[Tensor, Turn | None]:
        match self.spec.place:
            case Learned(before=before):
                return hidden_BTD + self.position(where_BT + before), None
            case Rope() as rope:
                by = turn(rope, self.spec.block.head_width, where_BT[None])
                return hidden_BTD, by.to(hidden_BTD.dtype)
