"""Encoders whose blocks see inside windows: SAM's tower over one square, and Swin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

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


@dataclass(frozen=True)
class Swin:
    """Windows of `window` x `window` cells that see themselves alone, shifted by half a window in every second block; between
    stages each square of four cells becomes one, twice as wide (arXiv:2103.14030).

    `block` is the first stage's, `heads` are each stage's own. `normed`: the stages (from 1) whose maps leave, each through a
    norm of its own; none: the last one's as it is.
    """

    block: Block
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    window: int
    patch: int = 4
    frames: int = 1
    normed: tuple[int, ...] = ()
    narrow: Literal["still", "shifted"] = "still"
    """What windows of a grid that is no wider than one of them do in those second blocks."""

    @property
    def width(self) -> int:
        return self.block_of(len(self.depths) - 1).width

    @property
    def merged(self) -> int:
        """Cells that enter in a row of each cell of the last stage."""
        return int(2 ** (len(self.depths) - 1))

    def block_of(self, stage: int) -> Block:
        """A stage's block, the first one's number being 0."""
        heads, width, hidden = self.heads[stage], self.block.width * 2**stage, self.block.mlp_width * 2**stage
        return replace(self.block, width=width, heads=heads, kv_heads=heads, head_width=width // heads, mlp_width=hidden)
