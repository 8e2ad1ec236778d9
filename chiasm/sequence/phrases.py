"""Texts of phrases that do not see one another (Grounding DINO, arXiv:2303.05499)."""

from __future__ import annotations

import torch
from torch import Tensor


def phrases(ids_BT: Tensor, ends: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """What each token sees, [B, T, T], and its place in its phrase, [B, T].

    A phrase is what stands between two ends and the second of them. What is closed by the row's first or last position, or
    not at all, is no phrase, as its reference has it: such tokens see themselves alone, at place 0.
    """
    length = ids_BT.shape[1]
    where_T = torch.arange(length, device=ids_BT.device)
    end_BT = torch.isin(ids_BT, ids_BT.new_tensor(ends))
    closed_BT = torch.where(end_BT, where_T, length).flip(1).cummin(1).values.flip(1)
    begun_BT = torch.where(end_BT, where_T, -1).cummax(1).values.roll(1, 1)
    begun_BT[:, 0] = -1
    phrase_BT = (closed_BT > 0) & (closed_BT < length - 1)
    together_BTT = (closed_BT[:, :, None] == closed_BT[:, None]) & phrase_BT[:, None]
    alone_TT = torch.eye(length, dtype=torch.bool, device=ids_BT.device)
    return together_BTT | alone_TT, (where_T - begun_BT - 1) * phrase_BT
