"""Attention whose findings each position lets through by a gate of its own (arXiv:2505.06708)."""

from __future__ import annotations

from torch import Tensor, nn

from chiasm.layers.attend import Mask
from chiasm.layers.attention import Attention, Slot, Wanted
from chiasm.layers.linear import product
from chiasm.layers.rope import Turn
from chiasm.spec import Block


class GatedAttention(Attention):
    """What the heads find times sigmoid(gate(x)), number by number, before the last product."""

    def __init__(self, spec: Block) -> None:
        super().__init__(spec)
        self.gate: nn.Module = nn.Linear(spec.width, spec.heads * spec.head_width, spec.qkv_bias)

    def prepare(self) -> None:
        super().prepare()
        # The compiled program leads what it mixed straight to the last product: it has no place for a gate between.
        self.run, self.in_tiles = None, False
        if isinstance(self.gate, nn.Linear):
            self.gate = product(self.gate)

    def forward(
        self,
        x_BTD: Tensor,
        mask: Mask,
        by: Turn | None = None,
        slot: Slot | None = None,
        wanted: Wanted = "all",
        onto_BTD: Tensor | None = None,
    ) -> Tensor:
        q_BTNF, k_BTNF, v_BTNF = self.heads_of(x_BTD, by)
        if by is not None and by.louder is not None:
            q_BTNF = q_BTNF * by.louder
        mixed_BTD = self.mix(q_BTNF, k_BTNF, v_BTNF, mask, slot, wanted)
        asked_BTD = x_BTD if wanted == "all" else x_BTD[:, -1:]
        return self.leave(mixed_BTD * self.gate(asked_BTD).sigmoid(), onto_BTD)
