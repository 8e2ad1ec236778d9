"""Stored low-rank adapters into the weights that they were trained beside."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chiasm.errors import BadCheckpoint
from chiasm.layout import Adapters


def merge(model: nn.Module, tensors: dict[str, Tensor], settings: Adapters) -> None:
    """Adds adapters `<layer>.a` [rank, in] and `<layer>.b` [out, rank] to their layers' weights, times alpha / rank, in
    float32, rounding once. Raises `BadCheckpoint` for adapters of another rank than was said."""
    for name in [name.removesuffix(".a") for name in tensors if name.endswith(".a")]:
        layer = model.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        rank = len(tensors[f"{name}.a"])
        if settings.rank not in (None, rank):
            raise BadCheckpoint(
                f"the adapter of {name!r} has the rank {rank}, and config.json says {settings.rank}: correct it"
            )
        a, b = (tensors[f"{name}.{half}"].to(layer.weight.device, torch.float32) for half in "ab")
        delta = settings.alpha / rank * b @ a
        # A new tensor: the old one may be a view of a mapped file.
        merged = (layer.weight.detach().float() + delta).to(layer.weight.dtype)
        layer.weight = nn.Parameter(merged, layer.weight.requires_grad)
