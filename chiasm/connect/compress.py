"""Fewer tokens by what they hold: alike ones merged, the others' least telling dropped; how many are left is exact."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.place import Laid, Route
from chiasm.place.routes import free
from chiasm.spec import MergeAlike, Prune


class CompressStep(nn.Module):
    """Leaves as many tokens of each view as the route says, in the order of their places, and says which places they are."""

    def __init__(self, spec: MergeAlike | Prune) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, x_VD: Tensor, path: Route, laid: Laid) -> tuple[Tensor, Laid]:
        _, starts, counts = np.unique(path.laid.place_V4[:, 0], return_index=True, return_counts=True)
        tokens, kept = [x_VD[:0]], [np.zeros(0, np.int64)]
        for start, count in zip(starts, counts.tolist(), strict=True):
            row = path.index_VM[start]
            every = row[row >= 0]
            cells = free(every, laid)
            count -= len(every) - len(cells)
            view_VD = x_VD[torch.from_numpy(cells).to(x_VD.device)]
            match self.spec:
                case MergeAlike():
                    out_VD, at_V = merged(view_VD, count)
                case Prune(keeps="salient"):
                    out_VD, at_V = _highest(view_VD, salience(view_VD), count)
                case Prune():
                    out_VD, at_V = _highest(view_VD, -likeness(view_VD), count)
            others = np.setdiff1d(every, cells)
            at = np.concatenate([cells[at_V.cpu().numpy()], others])
            order = np.argsort(at)
            out_VD = torch.cat([out_VD, x_VD[torch.from_numpy(others).to(x_VD.device)]])
            tokens.append(out_VD[torch.from_numpy(order).to(x_VD.device)])
            kept.append(at[order])
        return torch.cat(tokens), Laid(laid.place_V4[np.concatenate(kept)], laid.grids)


def merged(x_VD: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """`count` tokens of a view and where each stands, which is where one that it holds stood.

    In a round every second token is compared with those between, and the most alike of them join the one that each is most
    like: a quarter of all at most, so that one like no other may stay. A mean counts each token that went into it once.
    """
    at_V = torch.arange(len(x_VD), device=x_VD.device)
    holds_V1 = x_VD.new_ones(len(x_VD), 1)
    while len(x_VD) > count:
        leave = min(len(x_VD) - count, max(1, len(x_VD) // 4))
        unit_VD = F.normalize(x_VD, dim=-1)
        best_A, to_A = (unit_VD[::2] @ unit_VD[1::2].T).max(1)
        order_A = best_A.argsort(descending=True, stable=True)
        goes_A, stays_A = order_A[:leave], order_A[leave:]
        even_VD, even_V1 = x_VD[::2] * holds_V1[::2], holds_V1[::2]
        sums_VD = (x_VD[1::2] * holds_V1[1::2]).index_add(0, to_A[goes_A], even_VD[goes_A])
        odd_V1 = holds_V1[1::2].index_add(0, to_A[goes_A], even_V1[goes_A])
        at_V = torch.cat([at_V[::2][stays_A], at_V[1::2]])
        order_V = at_V.argsort()
        at_V = at_V[order_V]
        holds_V1 = torch.cat([even_V1[stays_A], odd_V1])[order_V]
        x_VD = torch.cat([even_VD[stays_A], sums_VD])[order_V] / holds_V1
    return x_VD, at_V


def salience(x_VD: Tensor) -> Tensor:
    """How much the mean of a view attends to each token."""
    return x_VD @ x_VD.mean(0)


def likeness(x_VD: Tensor) -> Tensor:
    """The cosine between each token and the mean of its view."""
    return F.cosine_similarity(x_VD, x_VD.mean(0, keepdim=True))


def _highest(x_VD: Tensor, telling_V: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` tokens that tell most, in their own order; of equals the first ones."""
    at_V = telling_V.argsort(descending=True, stable=True)[:count].sort().values
    return x_VD[at_V], at_V
