"""An encoder of volumes."""

from __future__ import annotations

from torch import Tensor, nn

from chiasm import spec as specs
from chiasm.heads.contrastive import unit
from chiasm.vision.volume import VolumeNetwork


class EncodeVolume(nn.Module):
    """Scans to vectors: what the network made of all cells, averaged, and two heads that read it."""

    def __init__(self, spec: specs.EncodeVolume) -> None:
        super().__init__()
        self.spec = spec
        self.vision = VolumeNetwork(spec.encoder)
        self.project = nn.Linear(spec.encoder.width, spec.project)
        self.classify = nn.Linear(spec.encoder.width, spec.classes)

    def forward(self, volumes_BHWT: Tensor) -> Tensor:
        """One vector a volume, [B, width]; the heads `project` and `classify` read it."""
        pooled_BE: Tensor = self.vision(volumes_BHWT)[-1].mean((2, 3, 4))
        return pooled_BE

    def embed_volumes(self, volumes_BHWT: Tensor) -> Tensor:
        """Unit vectors in the space that is shared with texts, [B, project]."""
        return unit(self.project(self(volumes_BHWT)))
