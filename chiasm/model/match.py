"""Two towers in one space."""

from __future__ import annotations

from torch import Tensor, nn

from chiasm import spec as specs
from chiasm.heads.contrastive import Logits, unit
from chiasm.heads.pool import pool, pooled
from chiasm.language.text import TextEncoder
from chiasm.model.batch import Sight, lengths
from chiasm.vision import encoder
from chiasm.vision.vit import VisionTransformer


class Match(nn.Module):
    """Two towers in one space: cosines of pictures and texts."""

    def __init__(self, spec: specs.Match) -> None:
        super().__init__()
        self.spec = spec
        self.vision = encoder(spec.encoder)
        self.pool = pool(spec.pool, spec.encoder)
        self.text = TextEncoder(spec.text)
        self.logits = Logits(bias=spec.logits == "sigmoid")

    def embed_pictures(self, sight: Sight) -> Tensor:
        """Unit vectors of pictures, [I, width]."""
        features_PE = self._normed(self.vision(sight.patches_PK, sight.grids))
        return unit(pooled(self.pool, features_PE, lengths(self.vision.laid(sight.grids))))

    def _normed(self, features_PE: Tensor) -> Tensor:
        """CLIP norms the class token alone, SigLIP every patch; norming all gives both."""
        if isinstance(self.vision, VisionTransformer) and self.vision.spec.post_norm == "idle":
            return self.vision.post_norm(features_PE)
        return features_PE

    def embed_texts(self, ids_BT: Tensor, valid_BT: Tensor) -> Tensor:
        """Unit vectors of texts, [B, width]."""
        return unit(self.text(ids_BT, valid_BT))

    def forward(self, image_ID: Tensor, text_BD: Tensor) -> Tensor:
        """logits [texts, images] of unit vectors."""
        return self.logits(image_ID, text_BD)
