"""What a run computes on: a device, and processes beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from chiasm.weights.device import device_of


@dataclass(frozen=True)
class Machine:
    """`training` processes learn, and `drawing` processes draw pictures for each of them."""

    device: torch.device
    training: int = 1
    drawing: int = 1

    @classmethod
    def named(cls, name: str) -> Machine:
        """A GPU takes one process, and all cores but two draw for it; on a CPU one thread a process learns quickest. Raises
        `UserError` for a device that is not here."""
        device = device_of(name)
        if device.type == "cpu":
            return cls(device, training=torch.get_num_threads())
        return cls(device, drawing=max(1, (os.cpu_count() or 1) - 2))


CPU = Machine(torch.device("cpu"))
