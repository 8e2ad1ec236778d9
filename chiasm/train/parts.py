"""The parts of a model that stages train."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from torch import nn

from chiasm.model import Causal
from chiasm.train import lora

Part = Literal["vision", "connect", "lora"]


def trainable(model: Causal, parts: Iterable[Part]) -> dict[str, dict[str, nn.Parameter]]:
    """The parameters of each part by name, to be trained; everything else is frozen."""
    model.requires_grad_(False)
    groups: dict[str, dict[str, nn.Parameter]] = {}
    for part in parts:
        match part:
            case "vision" | "connect":
                module = model.vision if part == "vision" else model.connect
                groups[part] = {f"{part}.{name}": p for name, p in module.named_parameters()}
            case "lora":
                groups[part] = {f"language.{name}": p for name, p in lora.parameters(model.language)}
        for parameter in groups[part].values():
            parameter.requires_grad_(True)
    return groups
