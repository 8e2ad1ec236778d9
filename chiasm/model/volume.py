"""An encoder of volumes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chiasm import spec as specs
from chiasm.heads.contrastive import unit
from chiasm.language.bidirectional import BidirectionalEncoder
from chiasm.vision.volume import VolumeNetwork


class EncodeVolume(nn.Module):
    """Scans to vectors: what the network made of all cells, averaged, and two heads that read it."""

    def __init__(self, spec: specs.EncodeVolume) -> None:
        super().__init__()
        self.spec = spec
        self.vision = VolumeNetwork(spec.encoder)
        self.project = nn.Linear(spec.encoder.width, spec.project)
        self.classify = nn.Linear(spec.encoder.width, spec.classes)
        if spec.text is not None:
            self.text = BidirectionalEncoder(spec.text)
            self.project_text = nn.Linear(spec.text.block.width, spec.project)
            self.scale = nn.Parameter(torch.empty(()))

    def forward(self, volumes_BHWT: Tensor) -> Tensor:
        """One vector a volume, [B, width]; the heads `project` and `classify` read it."""
        pooled_BE: Tensor = self.vision(volumes_BHWT)[-1].mean((2, 3, 4))
        return pooled_BE

    def embed_texts(self, ids_BT: Tensor, valid_BT: Tensor) -> Tensor:
        """Unit vectors of reports in that space, [B, project]; pads on the right."""
        return unit(self.project_text(self.text(ids_BT, valid_BT)[:, 0]))

    def embed_volumes(self, volumes_BHWT: Tensor) -> Tensor:
        """Unit vectors in the space that is shared with texts, [B, project]."""
        return unit(self.project(self(volumes_BHWT)))
