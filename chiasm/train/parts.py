"""The parts of a model that stages train, and how fast each learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn

from chiasm.connect.tally import TallyStep
from chiasm.model import Causal
from chiasm.train import lora
from chiasm.train.masters import Masters

Part = Literal["vision", "connect", "tally", "lora"]
"""`tally` is what a tally counts by: answers move it far from exact counts, so that it has a rate of its own."""


@dataclass(frozen=True)
class Turned:
    """Muon's rate for a part's matrices and kernels, AdamW's for the rest of it."""

    matrices: float
    rest: float


Rate = float | Turned
"""AdamW's rate, or Muon's with it."""


def parameters(model: Causal, part: Part) -> dict[str, nn.Parameter]:
    """A part's parameters by name."""
    match part:
        case "vision":
            return {f"vision.{name}": p for name, p in model.vision.named_parameters()}
        case "connect" | "tally":
            counts = tuple(
                f"steps.{at}.{layer}."
                for at, step in enumerate(model.connect.steps)
                if isinstance(step, TallyStep)
                for layer in ("hidden", "adds")
            )
            found = dict(model.connect.named_parameters()).items()
            return {f"connect.{name}": p for name, p in found if (part == "tally") == name.startswith(counts)}
        case "lora":
            return {f"language.{name}": p for name, p in lora.parameters(model.language)}


def masters_of(model: Causal, rates: Mapping[Part, Rate], decay: float) -> tuple[Masters, dict[str, float]]:
    """Masters of the parts that have a rate, to be trained, and the rate of each of their groups; everything else is frozen."""
    model.requires_grad_(False)
    groups: dict[str, dict[str, nn.Parameter]] = {}
    by_group: dict[str, float] = {}
    for part, rate in rates.items():
        found = parameters(model, part)
        for parameter in found.values():
            parameter.requires_grad_(True)
        match rate:
            case Turned(matrices, rest):
                groups[f"{part} turned"] = {name: p for name, p in found.items() if p.ndim in (2, 4)}
                groups[f"{part} rest"] = {name: p for name, p in found.items() if p.ndim not in (2, 4)}
                by_group |= {f"{part} turned": matrices, f"{part} rest": rest}
            case _:
                groups[part], by_group[part] = found, rate
    turned = frozenset(name for name in groups if name.endswith(" turned"))
    return Masters(groups, decay, (0.9, 0.98), turned), by_group
