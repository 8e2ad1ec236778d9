"""Names that references outside of `transformers` give to what goes in and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from chiasm.reference.given import Given


@dataclass(frozen=True)
class Dialect:
    """`inputs` are names of theirs with ours, `outputs` names of ours with theirs; what is not named keeps its name."""

    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)

    def heard(self, given: Given) -> Given:
        """The inputs under our names."""
        return Given(given.path, {self.inputs.get(name, name): tensor for name, tensor in given.tensors.items()})

    def said(self, got: dict[str, Tensor]) -> dict[str, Tensor]:
        """The outputs under their names."""
        return {self.outputs.get(name, name): tensor for name, tensor in got.items()}


PLAIN = Dialect()

OPEN_CLIP = Dialect(
    {"image": "pixel_values", "text": "input_ids"}, {"image_embeds": "out0", "text_embeds": "out1", "scale": "out2"}
)

DIALECTS = {
    "open_clip": OPEN_CLIP,
    "open_clip_config": OPEN_CLIP,
    "timm_eva": Dialect({"x": "pixel_values"}, {"pooler_output": "out"}),
    "qwen": Dialect({"images": "pixel_values"}, {"image_hidden_states": "image_features"}),
    "nomic_vision": Dialect({}, {"last_hidden_state": "trunk", "image_embeds": "embedding"}),
}
"""By layout."""
