"""How many of what a view shows, summed over its tokens and handed on as numbers.

Attention takes means, in which two of three look as four of six do; a sum counts. What each token adds is learned, from exact
counts where there are any.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.place import Laid
from chiasm.place.routes import Route
from chiasm.spec import Tally


class TallyStep(nn.Module):
    """Every view's tokens, then for each token of the tally the sum over its slots of the sort's vector and the number's."""

    def __init__(self, spec: Tally, width: int) -> None:
        super().__init__()
        self.spec = spec
        self.hidden = nn.Linear(width, spec.hidden)
        self.adds = nn.Linear(spec.hidden, spec.tokens * spec.slots)
        self.sorts = nn.Parameter(nn.init.normal_(torch.empty(spec.tokens, spec.slots, width), std=0.02))
        self.numbers = nn.Parameter(nn.init.normal_(torch.empty(spec.slots, spec.most + 1, width), std=0.02))

    def forward(self, x_VD: Tensor, path: Route, laid: Laid) -> Tensor:
        sums_GNK = self.sums(x_VD, laid).unflatten(-1, (self.spec.tokens, self.spec.slots))
        told_VD = (self.sorts + self.told(sums_GNK)).sum(2).flatten(0, 1)
        at_V = torch.from_numpy(path.index_VM[:, 0]).to(x_VD.device)
        out_VD = x_VD[at_V.clamp(min=0)]
        return out_VD.index_put(((at_V < 0).nonzero()[:, 0],), told_VD.to(out_VD.dtype))

    def sums(self, x_VD: Tensor, laid: Laid) -> Tensor:
        """How many of each sort every view shows, in float32: [views, tokens x slots]."""
        # Without the norm, tokens grew to count better: by half in a minute of training.
        normed_VD = F.rms_norm(x_VD, x_VD.shape[-1:])
        added_VN = F.softplus(self.adds(F.relu(self.hidden(normed_VD))).float())
        view_V = torch.from_numpy(laid.place_V4[:, 0]).to(x_VD.device)
        return added_VN.new_zeros(len(laid.grids), added_VN.shape[1]).index_add(0, view_V, added_VN)

    def told(self, sums_GNK: Tensor) -> Tensor:
        """The vectors of numbers, [..., slots] to [..., slots, D]."""
        up_to_GNK = sums_GNK.clamp(0, self.spec.most)
        low_GNK = up_to_GNK.floor().clamp(max=self.spec.most - 1)
        share_GNK1 = (up_to_GNK - low_GNK)[..., None]
        slot_K, low_GNK = torch.arange(self.spec.slots, device=sums_GNK.device), low_GNK.long()
        return torch.lerp(self.numbers[slot_K, low_GNK].float(), self.numbers[slot_K, low_GNK + 1].float(), share_GNK1)
