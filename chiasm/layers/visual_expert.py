"""Blocks with a second set of weights, for visual tokens (CogVLM, arXiv:2311.03079)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from chiasm.layers.attend import Mask
from chiasm.layers.attention import Attention, Slot, Wanted
from chiasm.layers.block import TransformerBlock
from chiasm.layers.lines import Lines
from chiasm.layers.mlp import mlp
from chiasm.layers.rope import Turn
from chiasm.spec import Block


class VisualExpert(nn.Module):
    """The projections and the MLP of visual tokens."""

    def __init__(self, spec: Block) -> None:
        super().__init__()
        self.attention = Attention(spec)
        self.mlp = mlp(spec)


class ExpertBlock(TransformerBlock):
    """A pre-norm block in which text and visual tokens see one another but pass through weights of their own. Without a visual
    token it is the text's block."""

    attention: Attention

    def __init__(self, spec: Block, expert: Block) -> None:
        super().__init__(spec)
        self.expert = VisualExpert(expert)

    def forward(
        self,
        x_BTD: Tensor,
        mask: Mask | Lines,
        by: Turn | None = None,
        slot: Slot | None = None,
        wanted: Wanted = "all",
        visual_BT: Tensor | None = None,
    ) -> Tensor:
        if visual_BT is None:
            return super().forward(x_BTD, mask, by, slot, wanted)
        assert not isinstance(mask, Lines)
        text, sight = self.attention, self.expert.attention
        normed_BTD = self.norm1(x_BTD)
        heads_BTNF = by_kind(visual_BT, _heads(text, by, ~visual_BT), _heads(sight, by, visual_BT), normed_BTD)
        q_BTNF, k_BTNF, v_BTNF = heads_BTNF.split_with_sizes((text.heads, text.kv_heads, text.kv_heads), 2)
        mixed_BTD = text.mix(q_BTNF, k_BTNF, v_BTNF, mask, slot, wanted)
        if wanted == "last":
            x_BTD, visual_BT = x_BTD[:, -1:], visual_BT[:, -1:]
        x_BTD = x_BTD + by_kind(visual_BT, text.leave, sight.leave, mixed_BTD)
        return x_BTD + by_kind(visual_BT, self.mlp, self.expert.mlp, self.norm2(x_BTD))


def by_kind(visual_BT: Tensor, text: Callable[[Tensor], Tensor], sight: Callable[[Tensor], Tensor], x_BTD: Tensor) -> Tensor:
    """Each token through the function of its kind, which sees them as one row of those tokens alone."""
    if not bool(visual_BT.any()):
        return text(x_BTD)
    made_T, made_V = (act(x_BTD[here][None])[0] for act, here in ((text, ~visual_BT), (sight, visual_BT)))
    out = made_V.new_empty(*visual_BT.shape, *made_V.shape[1:])
    out[~visual_BT], out[visual_BT] = made_T, made_V
    return out


def _heads(attention: Attention, by: Turn | None, here_BT: Tensor) -> Callable[[Tensor], Tensor]:
    """Queries, keys and values of some tokens side by side, turned by their own places."""
    own = by if by is None else Turn(*(x.expand(*here_BT.shape, *x.shape[2:])[here_BT][None] for x in (by.cos, by.sin)))
    return lambda x_1TD: torch.cat(attention.heads_of(x_1TD, own), 2)
