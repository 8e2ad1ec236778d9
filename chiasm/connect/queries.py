"""Learned queries before they learned anything."""

from __future__ import annotations

import torch
from torch import nn


def fresh(queries: int, width: int) -> nn.Parameter:
    """Queries that differ: equal ones would ask the same question of a view, and be taught the same answer."""
    return nn.Parameter(nn.init.normal_(torch.empty(queries, width), std=0.02))
