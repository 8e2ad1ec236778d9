"""MLPs of which each token takes a few (arXiv:2401.06066)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.layers.mlp import GatedMLP
from chiasm.layers.same import same
from chiasm.spec import Block, Experts


class MixedMLP(nn.Module):
    """The sum of the experts that the router chose for a token, each times its weight, and the shared one."""

    def __init__(self, block: Block, spec: Experts) -> None:
        super().__init__()
        self.spec = spec
        self.router = nn.Linear(block.width, spec.count, bias=False)
        if spec.choice == "corrected":
            self.correction = nn.Parameter(torch.zeros(spec.count))
        self.experts = nn.ModuleList(
            same(GatedMLP, block.width, spec.width, block.act, block.mlp_bias) for _ in range(spec.count)
        )
        self.shared = GatedMLP(block.width, spec.shared, block.act, block.mlp_bias) if spec.shared else None

    def forward(self, x_BTD: Tensor, onto_BTD: Tensor | None = None) -> Tensor:
        tokens_VD = x_BTD.flatten(0, -2)
        weight_VK, chosen_VK = self.route(tokens_VD)
        mixed_VD = torch.zeros_like(tokens_VD) if self.shared is None else self.shared(tokens_VD)
        for number in chosen_VK.unique().tolist():
            token, place = (chosen_VK == number).nonzero(as_tuple=True)
            made = self.experts[number](tokens_VD[token]) * weight_VK[token, place, None].to(tokens_VD.dtype)
            mixed_VD = mixed_VD.index_add(0, token, made)
        mixed_BTD = mixed_VD.view_as(x_BTD)
        return mixed_BTD if onto_BTD is None else onto_BTD + mixed_BTD

    def route(self, tokens_VD: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and numbers of each token's experts, [V, active] both; in float32, whatever the model computes in."""
        logits_VX = F.linear(tokens_VD.float(), self.router.weight.float())
        likely_VX = logits_VX.softmax(-1) if self.spec.score == "softmax" else logits_VX.sigmoid()
        chosen_VK = self._choice(likely_VX).topk(self.spec.active, -1).indices
        weight_VK = likely_VX.gather(-1, chosen_VK)
        if self.spec.weights == "shares":
            weight_VK = weight_VK / (weight_VK.sum(-1, keepdim=True) + 1e-20)
        return weight_VK * self.spec.scale, chosen_VK

    def _choice(self, likely_VX: Tensor) -> Tensor:
        """What the experts are chosen by: zero in groups that are not taken."""
        corrected = self.spec.choice == "corrected"
        by_VX = likely_VX + self.correction.float() if corrected else likely_VX
        if self.spec.groups == 1:
            return by_VX
        by_group = by_VX.unflatten(-1, (self.spec.groups, -1))
        worth = by_group.topk(2, -1).values.sum(-1) if corrected else by_group.amax(-1)
        taken = torch.zeros_like(worth, dtype=torch.bool).scatter(-1, worth.topk(self.spec.chosen, -1).indices, True)
        return by_group.masked_fill(~taken[..., None], 0).flatten(-2)
