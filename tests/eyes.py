"""The encoder of a composition alone, with the weights of the folder that it comes from."""

from __future__ import annotations

from chiasm.compose import Composition
from chiasm.spec import ViT
from chiasm.vision.vit import VisionTransformer
from chiasm.weights.files import TensorFiles
from chiasm.weights.fill import located


def eye_of(made: Composition, spec: ViT | None = None) -> VisionTransformer:
    """As the composition has it, or as another spec of the same parameters says."""
    described, own = made.eye.origin.described, made.eye.encoder
    assert described is not None and isinstance(own, ViT)
    found = located(TensorFiles.open(described.folder), described.keys)
    vision = VisionTransformer(spec or own)
    vision.load_state_dict({name: found[f"vision.{name}"].read() for name, _ in vision.named_parameters()})
    return vision.eval()
