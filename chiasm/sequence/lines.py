"""In which order layers read that keep a state instead of keys and values."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from chiasm.layers.lines import Lines
from chiasm.sequence.masks import TREE


def lines(valid_BT: Tensor, segment_BT: Tensor | None) -> Lines | Literal["causal"]:
    """The lines of a batch; "causal" where its rows are lines already. Each branch has one of its own, behind its prefix."""
    if segment_BT is not None:
        return _branches(valid_BT, segment_BT)
    if bool(valid_BT.all()):
        return "causal"
    rows, length = valid_BT.shape
    take_BT = valid_BT.logical_not().int().argsort(dim=1, stable=True)
    first_B1 = torch.arange(rows, device=valid_BT.device)[:, None] * length
    return Lines(take_BT + first_B1, valid_BT.gather(1, take_BT), take_BT.argsort(1) + first_B1)


def _branches(valid_BT: Tensor, segment_BT: Tensor) -> Lines:
    """Prefixes are read once for each of their branches; any of these readings is theirs."""
    found, length = list[Tensor](), valid_BT.shape[1]
    for row, (valid_T, segment_T) in enumerate(zip(valid_BT, segment_BT, strict=True)):
        for segment in segment_T[valid_T].unique().tolist():
            own_T = (segment_T == segment) | (segment_T == segment - segment % TREE)
            found.append((valid_T & own_T).nonzero()[:, 0] + row * length)
    take_RL = pad_sequence(found, batch_first=True)
    own_RL = pad_sequence([torch.ones_like(line, dtype=torch.bool) for line in found], batch_first=True)
    put_P = torch.zeros(valid_BT.numel(), dtype=torch.long, device=valid_BT.device)
    put_P[take_RL[own_RL]] = torch.arange(own_RL.numel(), device=put_P.device)[own_RL.flatten()]
    return Lines(take_RL, own_RL, put_P.view(valid_BT.shape))
