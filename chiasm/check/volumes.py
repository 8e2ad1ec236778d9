"""Outputs of encoders of volumes, under the references' names."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from chiasm.heads.contrastive import unit
from chiasm.model import EncodeVolume
from chiasm.reference.given import Given
from chiasm.weights.inflate import inflated


def volumes(model: EncodeVolume, given: Given) -> dict[str, Tensor]:
    """Given as [B, 1, H, W, slices]; what leaves the stem and each stage is named as the skips of a U-Net are."""
    maps = model.vision(given["image"][:, 0])
    pooled_BE = maps[-1].mean((2, 3, 4))
    contrastive = model.project(pooled_BE)
    return {
        "image_embedding": pooled_BE[None],
        "contrastive": contrastive,
        "contrastive_normalised": unit(contrastive),
        "ehr": model.classify(pooled_BE),
        **{f"skip.{number + 1}": one.permute(0, 1, 3, 4, 2) for number, one in enumerate(maps)},
    }


def filters(flat: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a flat network's filters become. Its norms stay as they are, which the recording cannot show: those in it were drawn
    apart from the flat ones beside it."""
    return {name: tensor for name, tensor in inflated(flat).items() if tensor.ndim == 5}
