"""Filters of flat pictures given a third axis (I3D, arXiv:1705.07750, as Merlin begins)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

DEPTH = 3
"""Slices that a filter wider than one pixel sees; narrower ones see one."""


def inflated(tensors: Mapping[str, Tensor], depth: int = DEPTH) -> dict[str, Tensor]:
    """The weights of a flat network for volumes: a filter's middle slice is the flat filter, the others are zero, so that the
    network begins by reading each slice as it read a picture. What is no filter stays."""
    return {name: _inflated(tensor, depth) if tensor.ndim == 4 else tensor.clone() for name, tensor in tensors.items()}


def _inflated(filter_OIHW: Tensor, depth: int) -> Tensor:
    slices = depth if filter_OIHW.shape[-1] > 1 else 1
    filter_OITHW = torch.zeros_like(filter_OIHW)[:, :, None].repeat(1, 1, slices, 1, 1)
    filter_OITHW[:, :, slices // 2] = filter_OIHW
    return filter_OITHW
