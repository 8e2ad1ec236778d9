"""A batch's positions as lines for layers that read in order."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Lines:
    """Lines of positions, each read from its first one on: pads are left out, and a branch follows what it shares.

    `take_RL` are numbers of positions among all rows', anything behind a line's own, which `own_RL` says; `put_BT` is where
    each position stands among all lines'.
    """

    take_RL: Tensor
    own_RL: Tensor
    put_BT: Tensor

    def laid(self, x_BTD: Tensor) -> Tensor:
        """Rows as lines."""
        return x_BTD.flatten(0, 1)[self.take_RL]

    def back(self, x_RLD: Tensor) -> Tensor:
        """Lines as rows."""
        return x_RLD.flatten(0, 1)[self.put_BT]
