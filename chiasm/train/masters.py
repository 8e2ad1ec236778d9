"""bf16 parameters with float32 masters: products are cheap, small steps are not lost to rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from chiasm.train.muon import Muon
from chiasm.train.ranks import Ranks
from chiasm.weights.write import write_safetensors

ALONE = Ranks()


class Masters:
    """Optimizers over float32 copies of named parameters, which are published back into the model's own dtype.

    `groups` maps a group's name to its parameters by name; each group has its own rate. Groups in `turned` are matrices and
    kernels for Muon, the others AdamW's. `step` does all of take, update and publish.
    """

    def __init__(
        self,
        groups: Mapping[str, Mapping[str, nn.Parameter]],
        decay: float,
        betas: tuple[float, float],
        turned: frozenset[str] = frozenset(),
    ) -> None:
        self.params = {name: p for group in groups.values() for name, p in group.items()}
        self.masters = {name: p.detach().clone().float() for name, p in self.params.items()}
        settings = [
            {
                "params": [self.masters[n] for n, p in group.items() if (p.ndim >= 2) == matrices],
                "weight_decay": decay if matrices else 0.0,
                "name": name,
            }
            for name, group in groups.items()
            for matrices in (True, False)
            if name not in turned
        ]
        kernels = [{"params": [self.masters[n] for n in groups[name]], "name": name} for name in sorted(turned)]
        self.optimizers: list[torch.optim.Optimizer] = []
        if settings:
            self.optimizers.append(torch.optim.AdamW(settings, lr=0.0, betas=betas, fused=True))
        if kernels:
            self.optimizers.append(Muon(kernels, 0.0, decay))
        self.keeper = {
            id(master): optimizer
            for optimizer in self.optimizers
            for group in optimizer.param_groups
            for master in group["params"]
        }

    def step(self, rates: Mapping[str, float], clip: float, ranks: Ranks = ALONE) -> None:
        """One step from the gradients in the model."""
        self.update(self.take(ranks), rates, clip)
        self.publish()

    def take(self, ranks: Ranks = ALONE) -> list[Tensor]:
        """The gradients in float32, summed over all processes; the model's own are taken away."""
        grads = [torch.zeros_like(p).float() if p.grad is None else p.grad.float() for p in self.params.values()]
        for param in self.params.values():
            param.grad = None
        if ranks.count == 1:
            return grads
        parts = ranks.sum(torch.cat([grad.flatten() for grad in grads])).split([grad.numel() for grad in grads])
        return [torch.empty_like(grad).copy_(part.view(grad.shape)) for grad, part in zip(grads, parts, strict=True)]

    def update(self, grads: Sequence[Tensor], rates: Mapping[str, float], clip: float) -> None:
        """Moves the masters alone, at each group's rate, by gradients whose common norm is at most `clip`."""
        for master, grad in zip(self.masters.values(), grads, strict=True):
            master.grad = grad
        nn.utils.clip_grad_norm_(list(self.masters.values()), clip)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rates[group["name"]]
            optimizer.step()

    def publish(self) -> None:
        """Gives the masters' values to the model."""
        with torch.no_grad():
            torch._foreach_copy_(list(self.params.values()), list(self.masters.values()))

    def save(self, path: Path) -> None:
        """Masters and moments, atomically."""
        tensors = {f"master.{name}": master for name, master in self.masters.items()}
        for name, master in self.masters.items():
            tensors |= {f"{key}.{name}": moment for key, moment in self.keeper[id(master)].state[master].items()}
        write_safetensors(path, {name: tensor.detach().contiguous() for name, tensor in tensors.items()}, {})

    def restore(self, path: Path) -> None:
        """The inverse of `save`."""
        with torch.no_grad():
            for full_name, tensor in load_file(path).items():
                key, name = full_name.split(".", 1)
                master = self.masters[name]
                if key == "master":
                    master.copy_(tensor)
                else:
                    # A moment lies in memory as its master does: a kernel's channels come last.
                    shaped = torch.empty_like(master if tensor.shape == master.shape else tensor, device=master.device)
                    self.keeper[id(master)].state[master][key] = shaped.copy_(tensor)
        self.publish()
