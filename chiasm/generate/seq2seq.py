"""Targets written after sources were read: token ids in, token ids out."""

from __future__ import annotations

import torch
from torch import Tensor

from chiasm.language.seq2seq import Memory
from chiasm.model import Seq2Seq


def greedy(model: Seq2Seq, memory: Memory, count: int) -> Tensor:
    """The `count` likeliest tokens of each target, one after the other; no id is forbidden and none ends a row: [B, count]."""
    rows = len(memory.seen_BT)
    cache = model.room(rows, count)
    last_B1 = torch.full((rows, 1), model.spec.language.start, device=memory.seen_BT.device)
    chosen: list[Tensor] = []
    for _ in range(count):
        last_B1 = model.logits(model(last_B1, memory, cache)).argmax(-1)
        chosen.append(last_B1)
    return torch.cat(chosen, 1)
