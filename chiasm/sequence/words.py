"""Codes of pictures as ids of the vocabulary."""

from __future__ import annotations

import torch
from torch import Tensor

from chiasm.spec import Discrete


def words(fusion: Discrete, codes_V: Tensor) -> Tensor:
    """The id of each code; of -1, which closes a row, the id that the fusion names."""
    runs = [torch.arange(first, first + count, device=codes_V.device) for first, count in fusion.runs]
    ids_V = torch.cat(runs)[codes_V.clamp(min=0)]
    return ids_V if fusion.row_end is None else ids_V.masked_fill(codes_V < 0, fusion.row_end)
