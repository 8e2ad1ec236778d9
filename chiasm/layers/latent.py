"""Attention whose keys and values come from one narrow vector a token (arXiv:2405.04434)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chiasm.layers.attend import Mask, attend
from chiasm.layers.attention import Slot, Wanted, louder
from chiasm.layers.norm import RMSNorm
from chiasm.layers.rope import Turn, rotate
from chiasm.spec import Block, Latent


class LatentAttention(nn.Module):
    """softmax(q k^T s) v with keys and values unfolded from a shared narrow vector; the cache holds them unfolded.

    The last `turned` numbers of a head are turned by place, those of the keys are the same for all heads.
    """

    def __init__(self, block: Block, spec: Latent) -> None:
        super().__init__()
        self.spec, self.heads, self.still = spec, block.heads, block.head_width - spec.turned
        across = block.heads * block.head_width
        if spec.queries is None:
            self.q = nn.Linear(block.width, across, bias=False)
        else:
            self.q_down = nn.Linear(block.width, spec.queries, block.qkv_bias)
            self.q_norm = RMSNorm(spec.queries, spec.eps)
            self.q_up = nn.Linear(spec.queries, across, bias=False)
        self.kv_down = nn.Linear(block.width, spec.keys + spec.turned, block.qkv_bias)
        self.kv_norm = RMSNorm(spec.keys, spec.eps)
        self.kv_up = nn.Linear(spec.keys, block.heads * (self.still + spec.values), bias=False)
        self.out = nn.Linear(block.heads * spec.values, block.width, block.out_bias)
        self.louder = louder(block)

    def forward(
        self,
        x_BTD: Tensor,
        mask: Mask,
        by: Turn | None = None,
        slot: Slot | None = None,
        wanted: Wanted = "all",
        onto_BTD: Tensor | None = None,
    ) -> Tensor:
        assert by is not None
        q_BTNF = self._queries(x_BTD).unflatten(-1, (self.heads, -1))
        q_still, q_turned = q_BTNF.split_with_sizes((self.still, self.spec.turned), -1)
        narrow, k_turned = self.kv_down(x_BTD).split_with_sizes((self.spec.keys, self.spec.turned), -1)
        unfolded = self.kv_up(self.kv_norm(narrow)).unflatten(-1, (self.heads, -1))
        k_still, v_BTNF = unfolded.split_with_sizes((self.still, self.spec.values), -1)
        k_turned = rotate(halved(k_turned)[:, :, None], by).expand(-1, -1, self.heads, -1)
        q_BNTF = torch.cat([q_still, rotate(halved(q_turned), by)], -1).transpose(1, 2)
        k_BNTF, v_BNTF = torch.cat([k_still, k_turned], -1).transpose(1, 2), v_BTNF.transpose(1, 2)
        if wanted == "last":
            q_BNTF, mask = q_BNTF[:, :, -1:], mask[:, :, -1:] if isinstance(mask, Tensor) else "full"
        if slot is not None:
            k_BNTF, v_BNTF = slot.cache.write(slot.layer, k_BNTF, v_BNTF)
        mixed_BNTF = attend(q_BNTF if self.louder is None else q_BNTF * self.louder, k_BNTF, v_BNTF, mask)
        out_BTD: Tensor = self.out(mixed_BNTF.transpose(1, 2).flatten(2))
        return out_BTD if onto_BTD is None else onto_BTD + out_BTD

    def _queries(self, x_BTD: Tensor) -> Tensor:
        if self.spec.queries is None:
            straight: Tensor = self.q(x_BTD)
            return straight
        narrow: Tensor = self.q_up(self.q_norm(self.q_down(x_BTD)))
        return narrow


def halved(x: Tensor) -> Tensor:
    """Pairs of neighbours as pairs of a first and a second half: the order in which heads are turned here. Queries and keys
    both change it, so that their products do not."""
    return x.unflatten(-1, (-1, 2)).transpose(-1, -2).flatten(-2)
