"""Learning rates over a stage's wall time."""

from __future__ import annotations

import math


def schedule(step: int, warmup: int, share: float) -> float:
    """The part of a stage's rate at `share` of its time: linear warm-up by steps, then a cosine down to a fiftieth."""
    return min(1.0, (step + 1) / warmup) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))
