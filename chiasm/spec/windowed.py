"""SAM's tower: a transformer over one square, most of whose blocks see inside windows."""

from __future__ import annotations

from dataclasses import dataclass

from chiasm.spec.block import Block


@dataclass(frozen=True)
class WindowedViT:
    """A vision transformer over a square of `side` cells a side (arXiv:2304.02643). What two cells' distances in rows and in
    columns add to their score is learned for each block.

    Blocks see inside windows of `window` cells a side, zeros where a window leaves the square; those named `full` see all of
    it. A neck of two normed convolutions, of 1 x 1 and 3 x 3, leaves features of the width `neck`.
    """

    block: Block
    depth: int
    patch: int
    side: int
    window: int
    full: tuple[int, ...]
    neck: int
    frames: int = 1

    @property
    def width(self) -> int:
        return self.neck

    def reach(self, layer: int) -> int:
        """Cells a side that a block sees at once."""
        return self.side if layer in self.full else self.window


@dataclass(frozen=True)
class Coarsened:
    """A windowed tower's features on a coarser grid of `side` cells a side: stretched to four times as many, then two
    convolutions of stride two that double the width each. To them is added, times a learned number, what the same makes of the
    state after block `beside`, which has a neck of its own (DeepSeek-VL, arXiv:2403.05525)."""

    tower: WindowedViT
    beside: int
    side: int

    @property
    def width(self) -> int:
        return 4 * self.tower.neck
