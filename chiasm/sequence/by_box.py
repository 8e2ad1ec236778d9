"""Patches to the words whose boxes lie in them (UDOP, arXiv:2212.02623)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Joined:
    """Words, then the patches that none of them took up, then room for those that were: embeddings, boxes as fractions of the
    page, and which are there."""

    hidden_BTD: Tensor
    boxes_BT4: Tensor
    valid_BT: Tensor


def join_by_box(words: Joined, patches_BPD: Tensor, boxes_P4: Tensor, grid: tuple[int, int]) -> Joined:
    """`grid` are the rows and columns of a page's patches, in whose order they come. A word without a box, its edges below
    zero, takes up nothing; boxes are counted in double precision, where a patch is looked up in single."""
    point_BT = _patch_of(words.boxes_BT4, grid)
    boxed_BT = words.boxes_BT4[..., 0] >= 0
    boxes_BT4 = words.boxes_BT4.double()
    mean_BT = boxes_BT4.mean(-1)
    takes_BT = boxed_BT & (mean_BT != 0) & (mean_BT != 1)
    taken_BTD = patches_BPD.gather(1, point_BT[..., None].expand(-1, -1, patches_BPD.shape[-1]))
    hidden_BTD = words.hidden_BTD + taken_BTD * takes_BT[..., None]
    gone_BP = torch.zeros(patches_BPD.shape[:2], dtype=torch.long, device=point_BT.device)
    left_BP = gone_BP.scatter_add(1, point_BT, boxed_BT.long()) == 0
    order_BP = (~left_BP).long().argsort(dim=1, stable=True)
    valid_BP = left_BP.gather(1, order_BP)
    rest_BPD = patches_BPD.gather(1, order_BP[..., None].expand_as(patches_BPD)) * valid_BP[..., None]
    rest_BP4 = boxes_P4.double()[order_BP] * valid_BP[..., None]
    return Joined(
        torch.cat([hidden_BTD, rest_BPD], 1),
        torch.cat([boxes_BT4, rest_BP4], 1),
        torch.cat([words.valid_BT, valid_BP], 1),
    )


def _patch_of(boxes_BT4: Tensor, grid: tuple[int, int]) -> Tensor:
    """The number of the patch in which the middle of each box lies."""
    rows, columns = grid
    x_BT = ((boxes_BT4[..., 0] + boxes_BT4[..., 2]) / 2.0 * columns).floor().long().clamp(0, columns - 1)
    y_BT = ((boxes_BT4[..., 1] + boxes_BT4[..., 3]) / 2.0 * rows).floor().long().clamp(0, rows - 1)
    return y_BT * columns + x_BT
