"""Attention of one sequence to another."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from chiasm.layers.attend import Mask, attend
from chiasm.layers.attention import louder
from chiasm.layers.norm import norm
from chiasm.spec import Block


class Held(NamedTuple):
    """Another sequence's keys and values, computed once: [B, N, S, F] both."""

    k_BNSF: Tensor
    v_BNSF: Tensor


class Idle(NamedTuple):
    """What queries that see no key get instead: `here_B1T1` says which, `value_BN1F` what."""

    here_B1T1: Tensor
    value_BN1F: Tensor


class CrossAttention(nn.Module):
    """softmax(q k^T s) v, queries from one sequence, keys and values from another, of the same width or of `asked`."""

    def __init__(self, spec: Block, asked: int | None = None) -> None:
        super().__init__()
        self.head_width, self.shared = spec.head_width, spec.heads // spec.kv_heads
        across, shared = spec.heads * spec.head_width, spec.kv_heads * spec.head_width
        self.q = nn.Linear(spec.width, across, spec.qkv_bias)
        self.k = nn.Linear(asked or spec.width, shared, spec.qkv_bias)
        self.v = nn.Linear(asked or spec.width, shared, spec.qkv_bias)
        self.out = nn.Linear(across, spec.width, spec.out_bias)
        self.q_norm = nn.Identity() if spec.qk_norm is None else norm(spec.qk_norm, spec.head_width)
        self.k_norm = nn.Identity() if spec.qk_norm is None else norm(spec.qk_norm, spec.head_width)
        self.louder = louder(spec)

    def hold(self, states_BSD: Tensor, placed_BSD: Tensor | None = None) -> Held:
        """The other sequence as this layer sees it; keys are made of `placed`, where places are added to states for them."""
        placed_BSD = states_BSD if placed_BSD is None else placed_BSD
        return Held(self.k_norm(self._heads(self.k(placed_BSD))), self._heads(self.v(states_BSD)))

    def idle(self, state_BD: Tensor) -> Tensor:
        """The value of one state a row, for every query head: [B, N, 1, F]."""
        return self._heads(self.v(state_BD[:, None])).repeat_interleave(self.shared, 1)

    def forward(self, x_BTD: Tensor, held: Held, mask: Mask, idle: Idle | None = None) -> Tensor:
        q_BNTF = self.q_norm(self._heads(self.q(x_BTD)))
        mixed_BNTF = attend(q_BNTF if self.louder is None else q_BNTF * self.louder, *held, mask)
        if idle is not None:
            mixed_BNTF = torch.where(idle.here_B1T1, idle.value_BN1F, mixed_BNTF)
        out_BTD: Tensor = self.out(mixed_BNTF.transpose(1, 2).flatten(2))
        return out_BTD

    def _heads(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.unflatten(-1, (-1, self.head_width)).transpose(1, 2)
