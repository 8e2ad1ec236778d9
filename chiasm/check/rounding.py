"""Whether what a model is away from its reference is rounding, or a difference.

Where a sum nearly cancels and is normed then, a float32 computation may be further from the truth than a proof allows,
the reference's as well as ours. Two things are held then: in float64 both are one function, and in float32 we are no
further from the reference than two such computations may be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from chiasm.check.differences import compare
from chiasm.reference.again import neighbours
from chiasm.reference.given import Given

EXACT = 1e-6
"""What ours may be away in float64, where nearly every family is within 1e-13."""

REAL = 1e-3
"""From which on a difference in float32 is never called rounding."""

NEIGHBOURS = 24
"""Rounding comes in jumps: where one sum in seven takes one, two dozen hardly all miss it."""


@dataclass(frozen=True)
class Rounding:
    """By tensor: `noise` is how far the reference's float32 is from its own float64 at most, over the folder's weights and
    some that differ from them in their last bit; `apart` how far ours is from the reference in float64."""

    noise: Mapping[str, float]
    apart: Mapping[str, float]

    def explains(self, worst: Mapping[str, float], tolerance: float) -> bool:
        """Whether float64 tells no difference, and whatever is beyond the tolerance in float32 is within twice the noise:
        what two computations may be apart, each of which is as far from the truth as the reference is."""
        within = (value <= max(tolerance, 2 * self.noise.get(name, 0)) for name, value in worst.items())
        return max(self.apart.values(), default=math.inf) <= EXACT and all(within)

    def said(self, worst: Mapping[str, float]) -> str:
        """For people, of the tensor that is furthest away."""
        name = max(worst, key=lambda name: worst[name])
        noise, apart = self.noise.get(name, 0), self.apart.get(name, math.inf)
        return f"{name}: the reference itself rounds by {noise:.1e}, in float64 ours is {apart:.1e} away"


def rounding(folder: Path, given: Given, meta: Mapping[str, Any], ours: Mapping[str, Tensor]) -> Rounding | None:
    """Measured with the reference loaded again; `ours` is what we compute in float64. None where there is nothing to load.

    Raises `MissingExtra` without `transformers`.
    """
    noise, apart = dict[str, float](), dict[str, float]()
    for number, (rounded, exact) in enumerate(neighbours(folder, meta, NEIGHBOURS)):
        found, _ = compare(exact, rounded, given, meta)
        noise = {name: max(value, noise.get(name, 0)) for name, value in found.items()}
        if not number:
            apart, _ = compare(exact, ours, given, meta)
    return Rounding(noise, apart) if noise else None
