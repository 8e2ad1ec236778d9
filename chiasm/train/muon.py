"""Muon: momentum whose matrices are made orthogonal before each step (Keller Jordan, 2024), with AdamW for the rest.

On this eye it needed less than half of AdamW's steps: a 3x3 convolution sums thousands of inputs, so AdamW's steps of
equal size in every entry are either too large for the whole or too small for each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_POLYNOMIALS = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
)
"""Three odd quintics that bring singular values near 1 (Polar Express, arXiv 2505.16932, table of coefficients)."""


def orthogonal(matrix: Tensor) -> Tensor:
    """Roughly the nearest matrix with equal singular values, computed in bf16."""
    x = matrix.bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = x.T.contiguous() if tall else x
    x = x / (1.01 * x.norm() + 1e-7)
    for a, b, c in _POLYNOMIALS:
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """For matrices and convolution kernels; kernels are taken as (out, height * width * in).

    Args:
        decay: share of the learning rate by which weights shrink each step.
        momentum: of the Nesterov kind.
    """

    def __init__(self, params: Iterable[Any], lr: float, decay: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "decay": decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            rate, keep = group["lr"], group["momentum"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                momentum = state["momentum"].lerp_(p.grad, 1 - keep)
                update = orthogonal(_rows(p.grad.lerp(momentum, keep)))
                scale = max(1.0, update.shape[0] / update.shape[1]) ** 0.5
                p.mul_(1 - rate * group["decay"]).add_(_shaped(update, p), alpha=-rate * scale)


def _rows(weight: Tensor) -> Tensor:
    """A matrix of the weight's numbers, a kernel's without a copy where its channels come last in memory."""
    return weight if weight.ndim == 2 else weight.permute(0, 2, 3, 1).flatten(1)


def _shaped(rows: Tensor, weight: Tensor) -> Tensor:
    """The inverse of `_rows`."""
    if weight.ndim == 2:
        return rows
    _, inputs, high, wide = weight.shape
    return rows.unflatten(1, (high, wide, inputs)).permute(0, 3, 1, 2)
