"""Gated blocks between a decoder's own, in which text asks pictures (Flamingo, arXiv:2204.14198)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from chiasm.layers.block import Gate
from chiasm.layers.cross import CrossAttention, Held, Idle
from chiasm.layers.mlp import mlp
from chiasm.layers.norm import norm
from chiasm.layers.same import same
from chiasm.place import Laid
from chiasm.spec import Average, Cross, Everything, Nothing

Between = Callable[[int, Tensor], Tensor]
"""What happens to hidden states before the decoder's block of a number, and after its last one."""


@dataclass(frozen=True)
class Gallery:
    """The pictures of a batch's rows, as every gated block sees them: `held` are its keys and values, `idle` what a position
    gets that asks nothing, [B, N, 1, F]. `asked_B1TS` says which position asks which token, `blind_B1T1` which has yet to see
    a picture."""

    held: tuple[Held, ...]
    idle: tuple[Tensor, ...]
    asked_B1TS: Tensor
    blind_B1T1: Tensor

    def pick(self, rows: list[int]) -> Gallery:
        """The pictures of these rows, in this order."""
        held = tuple(Held(k[rows], v[rows]) for k, v in self.held)
        return Gallery(held, tuple(value[rows] for value in self.idle), self.asked_B1TS[rows], self.blind_B1T1[rows])

    def last(self, positions: int) -> Gallery:
        """As the last positions see it; the very last one's sight is that of all that follow it."""
        asked_B1TS, blind_B1T1 = self.asked_B1TS[:, :, -positions:], self.blind_B1T1[:, :, -positions:]
        return replace(self, asked_B1TS=asked_B1TS, blind_B1T1=blind_B1T1)


class GatedBlock(nn.Module):
    """x + tanh(g) cross(norm(x)), then x + tanh(g) mlp(norm(x))."""

    def __init__(self, spec: Cross, context: int) -> None:
        super().__init__()
        block, width = spec.block, spec.block.width
        self.rests = isinstance(spec.blind, Everything)
        self.norm1, self.norm2 = (norm(block.norm, width) for _ in range(2))
        self.cross, self.mlp = CrossAttention(block, context), mlp(block)
        self.gate1, self.gate2 = (Gate(width if spec.gates == "channel" else 1) for _ in range(2))

    def forward(self, x_BTD: Tensor, held: Held, value_BN1F: Tensor, gallery: Gallery) -> Tensor:
        idle = Idle(~gallery.asked_B1TS.any(-1, keepdim=True), value_BN1F)
        asked_B1TS = gallery.asked_B1TS | idle.here_B1T1
        x_BTD = x_BTD + self.gate1(self.cross(self.norm1(x_BTD), held, asked_B1TS, idle))
        made_BTD = self.gate2(self.mlp(self.norm2(x_BTD)))
        return x_BTD + (made_BTD.masked_fill(gallery.blind_B1T1[:, 0], 0) if self.rests else made_BTD)


class GatedBlocks(nn.Module):
    """All of a model's gated blocks, in order."""

    def __init__(self, spec: Cross, context: int) -> None:
        super().__init__()
        self.spec, self.context = spec, context
        self.blocks = nn.ModuleList(same(GatedBlock, spec, context) for _ in spec.before)

    def hang(self, tokens_VD: Tensor, laid: Laid, rows_I: tuple[int, ...], sees_B2T: Tensor) -> Gallery:
        """Visual tokens as the rows see them. `rows_I` is the row of each item, `sees_B2T` the first and the next but last
        item that each position sees."""
        index_BS, item_BS = (torch.from_numpy(x).to(tokens_VD.device) for x in _by_row(laid, rows_I, len(sees_B2T)))
        there_BS, at_BS = index_BS >= 0, index_BS.clamp(min=0)
        context_BSD = tokens_VD[at_BS] if len(tokens_VD) else tokens_VD.new_zeros(*index_BS.shape, self.context)
        first_BT1, end_BT1 = sees_B2T[:, :, :, None].unbind(1)
        asked_BTS = (item_BS[:, None] >= first_BT1) & (item_BS[:, None] < end_BT1)
        blind_BT1 = first_BT1 == end_BT1
        if isinstance(self.spec.blind, Everything):
            shown_BS = torch.from_numpy(np.append(laid.shown(), False)).to(tokens_VD.device)[index_BS]
            asked_BTS = (asked_BTS & shown_BS[:, None]) | (blind_BT1 & there_BS[:, None])
        mean_BD = self._mean(tokens_VD, laid, rows_I, len(sees_B2T))
        held = tuple(block.cross.hold(context_BSD) for block in self._each())
        idle = tuple(block.cross.idle(mean_BD) for block in self._each())
        return Gallery(held, idle, asked_BTS[:, None], blind_BT1[:, None])

    def between(self, gallery: Gallery) -> Between:
        """What the gated blocks do to hidden states on their way through the decoder."""

        def ask(number: int, x_BTD: Tensor) -> Tensor:
            for place, block, held, value in zip(self.spec.before, self.blocks, gallery.held, gallery.idle, strict=True):
                if place == number:
                    x_BTD = block(x_BTD, held, value, gallery.last(x_BTD.shape[1]))
            return x_BTD

        return ask

    def _mean(self, tokens_VD: Tensor, laid: Laid, rows_I: tuple[int, ...], rows: int) -> Tensor:
        """What a position gets that asks nothing: zero, or the mean of all of its row's tokens."""
        zero_BD = tokens_VD.new_zeros(rows, self.context)
        match self.spec.blind:
            case Nothing() | Everything():
                return zero_BD
            case Average():
                row_V = torch.tensor([rows_I[item] for item in laid.items()], dtype=torch.long, device=tokens_VD.device)
                count_B = torch.bincount(row_V, minlength=rows).clamp(min=1)
                return zero_BD.index_add(0, row_V, tokens_VD) / count_B[:, None]

    def _each(self) -> list[GatedBlock]:
        return [block for block in self.blocks if isinstance(block, GatedBlock)]


def _by_row(laid: Laid, rows_I: tuple[int, ...], rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The tokens of each row and their items, [B, S] both; -1 where a row has fewer than another."""
    item_V = laid.items()
    row_V = np.array(rows_I, np.int64)[item_V]
    longest = max(1, int(np.bincount(row_V, minlength=rows).max(initial=0)))
    index_BS, item_BS = np.full((2, rows, longest), -1, np.int64)
    for row in range(rows):
        here = np.flatnonzero(row_V == row)
        index_BS[row, : len(here)], item_BS[row, : len(here)] = here, item_V[here]
    return index_BS, item_BS
