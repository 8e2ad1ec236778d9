"""Codes of pictures as ids of the vocabulary."""

from __future__ import annotations

import torch
from torch import Tensor

from chiasm.spec import Discrete


def words(fusion: Discrete, codes_V: Tensor) -> Tensor:
    """The id of each code, counted from the end where it is negative."""
    runs = [torch.arange(first, first + count, device=codes_V.device) for first, count in fusion.runs]
    return torch.cat([*runs, torch.tensor(fusion.ends[::-1], dtype=torch.int64, device=codes_V.device)])[codes_V]
