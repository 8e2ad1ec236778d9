"""Many vectors for one text or picture, and how two such sets are compared (ColBERT, arXiv:2004.12832)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from chiasm.heads.contrastive import unit
from chiasm.spec import MultiVector


class VectorHead(nn.Module):
    """A unit vector for every position, zeros at pads."""

    def __init__(self, spec: MultiVector, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, spec.width)

    def forward(self, hidden_BTD: Tensor, valid_BT: Tensor) -> Tensor:
        """[B, T, width]"""
        return unit(self.linear(hidden_BTD)) * valid_BT[..., None]


def late_interaction(queries: Sequence[Tensor], documents: Sequence[Tensor]) -> Tensor:
    """[queries, documents]: the best cosine of each of a query's vectors with any of a document's, added up.

    Every item is [vectors, width] of unit vectors, as many as it has. A document of one vector is a text whose picture asks
    (BLIP-2, arXiv:2301.12597): the best of the query's is compared, as the other way round.
    """
    lengths = [len(document) for document in documents]
    all_VD = torch.cat(list(documents)).float()
    rows = []
    for query_GD in queries:
        cosines = (query_GD.float() @ all_VD.T).split(lengths, 1)
        rows.append(torch.stack([part.max() if part.shape[1] == 1 else part.amax(1).sum() for part in cosines]))
    return torch.stack(rows)
