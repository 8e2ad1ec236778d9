"""Encoders by themselves, of pictures and of texts."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from chiasm import spec as specs
from chiasm.heads.contrastive import unit
from chiasm.heads.pool import pool, pooled
from chiasm.language.bidirectional import BidirectionalEncoder
from chiasm.model.batch import Sight, lengths
from chiasm.vision import encoder


class Encode(nn.Module):
    """An encoder by itself."""

    def __init__(self, spec: specs.Encode) -> None:
        super().__init__()
        self.spec = spec
        self.vision = encoder(spec.encoder)
        self.pool = pool(spec.pool, spec.encoder)

    def forward(self, sight: Sight) -> tuple[Tensor, Tensor]:
        """Features of all tokens, packed picture by picture as `vision.laid` says, and a vector a picture, [I, width]."""
        features_PE = self.vision(sight.patches_PK, sight.grids)
        return features_PE, pooled(self.pool, features_PE, lengths(self.vision.laid(sight.grids)))

    def embed_pictures(self, sight: Sight) -> Tensor:
        """Unit vectors of pictures, [I, width]."""
        return unit(self(sight)[1])


class EncodeText(nn.Module):
    """A text encoder by itself."""

    def __init__(self, spec: specs.EncodeText) -> None:
        super().__init__()
        self.spec = spec
        self.text = BidirectionalEncoder(spec.text)

    def forward(self, ids_BT: Tensor, valid_BT: Tensor, kinds_BT: Tensor | None = None) -> Tensor:
        """A state for each token, [B, T, D]; pads on the right."""
        states_BTD: Tensor = self.text(ids_BT, valid_BT, kinds_BT)
        return states_BTD

    def embed_texts(self, ids_BT: Tensor, valid_BT: Tensor) -> Tensor:
        """Unit vectors of texts, [B, D], of a model that says how."""
        assert self.spec.vector == "normed mean"
        states_BTD = self(ids_BT, valid_BT).masked_fill(~valid_BT[..., None], 0)
        mean_BD = states_BTD.sum(1) / valid_BT.sum(1, keepdim=True)
        return unit(functional.layer_norm(mean_BD, mean_BD.shape[-1:]))
