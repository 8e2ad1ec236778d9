"""Who may see whom in a sequence."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from chiasm.layers.attend import Mask


def causal_mask(valid_BT: Tensor, queries: int, window: int | None, padded: bool, prompt_BT: Tensor | None = None) -> Mask:
    """The last `queries` of T positions see the valid ones that are not later, none further back than `window`; of those
    queries, the ones of a prompt see one another, wherever they stand.

    Pads see themselves, so that no row of the attention is empty. Without pads, a prompt or a window that matters, no tensor
    is made.
    """
    total = valid_BT.shape[1]
    if prompt_BT is not None and not padded and queries == total and bool(prompt_BT.all()):
        return "full"
    if prompt_BT is None and not padded and (window is None or total <= window):
        return "causal" if queries == total else "full" if queries == 1 else _later(total, queries, valid_BT.device)
    places = torch.arange(total, device=valid_BT.device)
    asks = places[total - queries :, None]
    seen = places <= asks
    if window is not None:
        seen = seen & (places > asks - window)
    if prompt_BT is not None:
        seen = seen | together(prompt_BT, total)
    return ((seen & valid_BT[:, None]) | (places == asks))[:, None]


def together(prompt_BT: Tensor, total: int) -> Tensor:
    """Which of the newest positions and of all `total` ones belong to one prompt: [B, T, total]."""
    keys_BT = F.pad(prompt_BT, (total - prompt_BT.shape[1], 0))
    return prompt_BT[:, :, None] & keys_BT[:, None]


def near(where_BT: Tensor, window: int) -> Tensor:
    """Which keys stand no further back than a window, by position: [B, T, T]."""
    return where_BT[:, :, None] - where_BT[:, None] < window


def _later(total: int, queries: int, device: torch.device) -> Tensor:
    places = torch.arange(total, device=device)
    return (places <= places[total - queries :, None])[None, None]


def expert_mask(slot_BT: Tensor) -> Tensor:
    """Which positions are visual for an expert: those with a visual token that another follows; a run ends as text."""
    here_BT = slot_BT >= 0
    return here_BT & F.pad(here_BT[:, 1:], (0, 1))


TREE = 4096
"""Segment numbers of one tree: number n * TREE is the prefix of tree n, the numbers up to the next one are its branches."""


def branched_mask(
    valid_BT: Tensor, segment_BT: Tensor, near_BTT: Tensor | None = None, prompt_BT: Tensor | None = None
) -> Tensor:
    """Rows of trees, one after the other: a prefix that its branches share; each segment sees its prefix and itself alone,
    nothing later but a prompt in itself."""
    places = torch.arange(valid_BT.shape[1], device=valid_BT.device)
    asks, branch_BT1 = places[:, None], segment_BT[:, :, None]
    related = (segment_BT[:, None] == branch_BT1) | (segment_BT[:, None] == branch_BT1 - branch_BT1 % TREE)
    seen = (places <= asks) & related
    if near_BTT is not None:
        seen = seen & near_BTT
    if prompt_BT is not None:
        seen = seen | together(prompt_BT, len(places))
    return ((seen & valid_BT[:, None]) | (places == asks))[:, None]
