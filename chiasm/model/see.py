"""The seeing half by itself."""

from __future__ import annotations

from torch import Tensor, nn

from chiasm import spec as specs
from chiasm.connect.qformer import Hint
from chiasm.connect.steps import Connector, Visual
from chiasm.model.batch import Sight
from chiasm.vision import encoder


class See(nn.Module):
    """Pictures and clips to visual tokens."""

    def __init__(self, spec: specs.See) -> None:
        super().__init__()
        self.spec = spec
        self.vision = encoder(spec.encoder)
        self.connect = Connector(spec.connector, spec.encoder.width)

    def forward(self, sight: Sight, hint: Hint | None = None) -> tuple[Tensor, Visual]:
        """Features of all cells, [P, E], and what the connector makes of them."""
        features_PE = self.vision(sight.patches_PK, sight.grids)
        return features_PE, self.connect(features_PE, self.vision.laid(sight.grids), sight.sizes, hint)
