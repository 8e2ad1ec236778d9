"""No encoder: its features come from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from chiasm.errors import BadCheckpoint
from chiasm.place import Grid, Laid, raster
from chiasm.spec import Precomputed


class Features(nn.Module):
    """Features to themselves. Raises `BadCheckpoint` for what is none, a picture's own pixels above all."""

    def __init__(self, spec: Precomputed) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, patches_PK: Tensor, grids: Sequence[Grid]) -> Tensor:
        if patches_PK.shape[1] != self.spec.width:
            message = (
                f"this folder has no encoder: it reads features of {self.spec.width} numbers a cell, and was given "
                f"{patches_PK.shape[1]}; compute them with the encoder that config.json names"
            )
            raise BadCheckpoint(message)
        return patches_PK

    def laid(self, grids: Sequence[Grid]) -> Laid:
        """The places of what `forward` returns."""
        return raster(grids)
