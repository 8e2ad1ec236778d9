"""Names that references outside of `transformers` give to what goes in and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from chiasm.reference.given import Given


@dataclass(frozen=True)
class Dialect:
    """`inputs` are names of theirs with ours, `outputs` names of ours with theirs; what is not named keeps its name.

    `writer` is the part of the config whose end of sequence is never among the tokens that are asked for: where a class has
    its language model generate by itself, that one still knows its end and keeps it back until enough is written.
    """

    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    writer: str | None = None

    def heard(self, given: Given) -> Given:
        """The inputs under our names."""
        return Given(given.path, {self.inputs.get(name, name): tensor for name, tensor in given.tensors.items()})

    def kept_back(self, config: Mapping[str, Any]) -> list[int]:
        """Ids that the reference does not write."""
        if self.writer is None:
            return []
        ends = config.get(self.writer, {}).get("eos_token_id")
        return [] if ends is None else [ends] if isinstance(ends, int) else list(ends)

    def said(self, got: dict[str, Tensor]) -> dict[str, Tensor]:
        """The outputs under their names."""
        return {self.outputs.get(name, name): tensor for name, tensor in got.items()}


PLAIN = Dialect()

OPEN_CLIP = Dialect(
    {"image": "pixel_values", "text": "input_ids"}, {"image_embeds": "out0", "text_embeds": "out1", "scale": "out2"}
)

DIALECTS = {
    "blip-2": Dialect(writer="text_config"),
    "instructblip": Dialect(writer="text_config"),
    "kosmos-2": Dialect(writer="text_config"),
    "open_clip": OPEN_CLIP,
    "open_clip_config": OPEN_CLIP,
    "timm_eva": Dialect({"x": "pixel_values"}, {"pooler_output": "out"}),
    "omnilmm_resampler": Dialect({"x": "image_features"}, {"image": "out"}),
    "qwen": Dialect({"images": "pixel_values"}, {"image_hidden_states": "image_features"}),
    "cogvlm": Dialect({"images": "pixel_values"}, {"image_hidden_states": "image_features"}),
    "openflamingo": Dialect({"vision_x": "pixel_values"}, {"image_hidden_states": "perceiver"}),
    "lisa": Dialect({"images_clip": "pixel_values"}),
    "nomic_vision": Dialect({}, {"last_hidden_state": "trunk", "image_embeds": "embedding"}),
}
"""By layout."""
