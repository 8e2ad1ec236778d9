"""Sizes of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Size:
    """An upright picture's size in pixels; `beside` is how many others its conversation shows. `share`: it is given at most so
    much of the tiles, pixels or tokens that the family's own rule gives it, by a policy that looked at it."""

    width: int
    height: int
    beside: int = 0
    share: float = 1.0


def together(sizes: Sequence[Size]) -> list[Size]:
    """Sizes of pictures that one conversation shows."""
    return [replace(size, beside=len(sizes) - 1) for size in sizes]


def too_thin(size: Size) -> str:
    """The sentence for a picture of whose shorter edge a view would keep no pixel."""
    return (
        f"a picture of {size.width} x {size.height} pixels is too thin for this model, which would leave no pixel of its "
        "shorter edge: crop it or add a margin"
    )
