"""Prefill, then decode: token ids in, token ids out. No text here."""

from __future__ import annotations

import torch
from torch import Tensor

from chiasm.layers.cache import KVCache
from chiasm.model import Batch, Causal


def prefill(model: Causal, batch: Batch, room: int) -> tuple[Tensor, KVCache]:
    """Reads the batch; the last position's logits [B, S], and a cache with room for `room` positions more."""
    cache = model.room(len(batch.ids_BT), batch.ids_BT.shape[1] + room)
    hidden_BTD = model(batch, cache)
    return model.logits(hidden_BTD[:, -1]), cache


def step(model: Causal, ids_B: Tensor, where_B: Tensor, cache: KVCache) -> Tensor:
    """Reads one more token of every row at its position; logits [B, S]."""
    hidden_BTD = model.language.embed(ids_B[:, None])
    where_ABT = where_B[None, :, None].expand(model.spec.decoder.rope.axes, -1, 1)
    valid_BT = torch.ones_like(ids_B[:, None], dtype=torch.bool)
    return model.logits(model.language(hidden_BTD, where_ABT, valid_BT, cache)[:, -1])


def greedy(model: Causal, batch: Batch, count: int) -> Tensor:
    """The `count` likeliest tokens, one after the other, ends of sequence ignored: [B, count]."""
    logits_BS, cache = prefill(model, batch, count)
    chosen = [logits_BS.argmax(-1)]
    for number in range(count - 1):
        logits_BS = step(model, chosen[-1], batch.next_B + number, cache)
        chosen.append(logits_BS.argmax(-1))
    return torch.stack(chosen, 1)
