"""Pictures, texts and signals in one space."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chiasm import spec as specs
from chiasm.heads.contrastive import unit
from chiasm.heads.pool import pool, pooled
from chiasm.language.text import TextEncoder
from chiasm.model.batch import Sight, lengths
from chiasm.vision import encoder
from chiasm.vision.signal import SignalTransformer


class Bind(nn.Module):
    """Pictures, texts and signals in one space."""

    def __init__(self, spec: specs.Bind) -> None:
        super().__init__()
        self.spec = spec
        self.vision = encoder(spec.encoder)
        self.pool = pool(spec.pool, spec.encoder)
        self.text = TextEncoder(spec.text)
        self.signals = nn.ModuleDict({one.name: SignalTransformer(one, spec.pool.width) for one in spec.signals})
        self.scales = nn.ParameterDict({"text": nn.Parameter(torch.zeros(()))})
        self.scales.update({one.name: nn.Parameter(torch.zeros(()), requires_grad=False) for one in spec.signals})

    def embed_pictures(self, sight: Sight) -> Tensor:
        """Unit vectors of pictures, [I, width]."""
        features_PE = self.vision(sight.patches_PK, sight.grids)
        return unit(pooled(self.pool, features_PE, lengths(self.vision.laid(sight.grids))))

    def embed_texts(self, ids_BT: Tensor, valid_BT: Tensor) -> Tensor:
        """Unit vectors of texts, [B, width]."""
        return unit(self.text(ids_BT, valid_BT))

    def embed_signals(self, name: str, values: Tensor) -> Tensor:
        """Unit vectors of signals [B, channels, height, width], or [B, channels, width] where they have no height."""
        return unit(self.signals[name](values))

    def scaled(self, name: str, vectors: Tensor) -> Tensor:
        """Vectors of one kind as they are compared with pictures'; no scale goes beyond 100."""
        return vectors * self.scales[name].exp().clamp(max=100)
