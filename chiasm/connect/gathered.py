"""Steps that gather tokens along a route, or set learned ones where it says so."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.place import BREAK, CLOSING, NEWLINE, OPENING
from chiasm.spec import PoolClips


class MergeStep(nn.Module):
    """Joins the tokens of each route by width, zeros where it has none."""

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
        if bool((index_VM < 0).any()):
            # The last row is what an index of -1 finds.
            x_VD = F.pad(x_VD, (0, 0, 0, 1))
        return x_VD[index_VM].flatten(1)


class EncloseStep(nn.Module):
    """Sets the learned vectors around a view's tokens where the route says so."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.after = (nn.Parameter(torch.zeros(width)) for _ in range(2))

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
        own_VD = torch.where(index_VM == OPENING, self.before, x_VD[index_VM[:, 0].clamp(min=0)])
        return torch.where(index_VM == CLOSING, self.after, own_VD)


class JoinStep(nn.Module):
    """Reorders tokens, some of them blends of neighbours, and sets the learned newline where the route says so."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.newline = nn.Parameter(torch.zeros(width))

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
        return torch.where(index_VM[:, :1] == NEWLINE, self.newline, blended(x_VD, index_VM.clamp(min=0), weight_VM))


class RowsStep(nn.Module):
    """Reorders tokens, and sets the two learned marks where the route says so."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.newline, self.between = (nn.Parameter(torch.zeros(width)) for _ in range(2))

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
        made_VD = torch.where(index_VM == NEWLINE, self.newline, x_VD[index_VM[:, 0].clamp(min=0)])
        return torch.where(index_VM == BREAK, self.between, made_VD)


class EndsStep(nn.Module):
    """Codes in the order of the route, and its own negative numbers where it says that something ends."""

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
        return torch.where(index_VM < 0, index_VM, x_VD[index_VM.clamp(min=0)[:, 0]])


class PoolStep(nn.Module):
    """The mean, the blend or the highest of each route's tokens."""

    def __init__(self, spec: PoolClips) -> None:
        super().__init__()
        self.highest = spec.how == "max"

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
        return x_VD[index_VM].amax(1) if self.highest else blended(x_VD, index_VM, weight_VM)


class BlendStep(nn.Module):
    """Each route's tokens added up in its shares."""

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
        return blended(x_VD, index_VM, weight_VM)


class MeansStep(nn.Module):
    """The mean of each route's tokens, in half precision; zeros where it has none."""

    def forward(self, x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
        lengths = (index_VM >= 0).sum(1)
        out_VD = x_VD.new_zeros(len(index_VM), x_VD.shape[1])
        for length in filter(None, lengths.unique().tolist()):
            rows = lengths == length
            out_VD[rows] = x_VD[index_VM[rows, :length]].mean(1)
        return out_VD.half().to(x_VD.dtype)


def blended(x_VD: Tensor, index_VM: Tensor, weight_VM: Tensor | None) -> Tensor:
    """Each route's tokens added up in its shares; a route without shares has one token."""
    if weight_VM is None:
        return x_VD[index_VM[:, 0]]
    return (x_VD[index_VM] * weight_VM[..., None].to(x_VD.dtype)).sum(1)
