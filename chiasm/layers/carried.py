"""Tensors that a file holds and nothing here reads."""

from __future__ import annotations

import torch
from torch import nn

from chiasm.spec import Carried


class Untouched(nn.Module):
    """Parameters by dotted name, in modules that compute nothing: they go in and out of files unchanged."""

    def __init__(self, spec: Carried) -> None:
        super().__init__()
        for name, shape in spec.learned:
            self._hold(name, nn.Parameter(torch.zeros(shape)))
        for name, shape in spec.measured:
            self._hold(name, nn.Parameter(torch.zeros(shape), requires_grad=False))

    def _hold(self, name: str, tensor: nn.Parameter) -> None:
        *path, last = name.split(".")
        at: nn.Module = self
        for step in path:
            if step not in dict(at.named_children()):
                at.add_module(step, nn.Module())
            at = at.get_submodule(step)
        at.register_parameter(last, tensor)
