"""bf16 parameters with float32 masters: products are cheap, small steps are not lost to rounding."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from chiasm.weights.write import write_safetensors

MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class Masters:
    """AdamW over float32 copies of named parameters, which are published back into the model's own dtype after each step.

    `groups` maps a group's name to its parameters by name; each group has its own rate.
    """

    def __init__(self, groups: Mapping[str, Mapping[str, nn.Parameter]], decay: float, betas: tuple[float, float]) -> None:
        self.params = {name: p for group in groups.values() for name, p in group.items()}
        self.masters = {name: p.detach().clone().float() for name, p in self.params.items()}
        self.groups = list(groups)
        settings = [
            {
                "params": [self.masters[n] for n, p in group.items() if (p.ndim >= 2) == matrices],
                "weight_decay": decay if matrices else 0.0,
                "name": name,
            }
            for name, group in groups.items()
            for matrices in (True, False)
        ]
        self.optimizer = torch.optim.AdamW(settings, lr=0.0, betas=betas, fused=True)

    def step(self, rates: Mapping[str, float], clip: float) -> float:
        """One step from the gradients in the model, which are taken away; the gradient's norm before clipping."""
        for name, param in self.params.items():
            self.masters[name].grad = None if param.grad is None else param.grad.float()
            param.grad = None
        norm = nn.utils.clip_grad_norm_(list(self.masters.values()), clip)
        for group in self.optimizer.param_groups:
            group["lr"] = rates[group["name"]]
        self.optimizer.step()
        self.publish()
        return float(norm)

    def publish(self) -> None:
        with torch.no_grad():
            for name, param in self.params.items():
                param.copy_(self.masters[name])

    def save(self, path: Path) -> None:
        """Masters and moments, atomically."""
        tensors = {f"master.{name}": master for name, master in self.masters.items()}
        for name, master in self.masters.items():
            state = self.optimizer.state[master]
            tensors |= {f"{key}.{name}": state[key] for key in MOMENTS if key in state}
        write_safetensors(path, {name: tensor.detach().contiguous() for name, tensor in tensors.items()}, {})

    def restore(self, path: Path) -> None:
        """The inverse of `save`."""
        tensors: dict[str, Tensor] = load_file(path)
        with torch.no_grad():
            for name, master in self.masters.items():
                master.copy_(tensors[f"master.{name}"])
                kept = {key: tensors[f"{key}.{name}"] for key in MOMENTS if f"{key}.{name}" in tensors}
                if kept:
                    self.optimizer.state[master].update(kept)
        self.publish()
