"""MiniCPM-V 4.6, whose class takes any decoder."""

from __future__ import annotations

from typing import Any

from chiasm.reference.case import BOS, IMAGE, VIDEO, Case, Draw, padded
from chiasm.reference.parts import decoder, library, processed, processor

VISION = {
    "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 3, "image_size": 56,
    "patch_size": 7,
}  # fmt: skip


def minicpm_v46(variant: int, draw: Draw) -> Case:
    """0: a picture in slices, merged inside the encoder too; 1: two pictures, merged at its end alone; 2: as 0, with another
    decoder than is published."""
    mode = ["16x", "4x", "16x"][variant]
    # What leaves a delta rule may be near zero: normed with less than this, rounding alone is more than a proof allows.
    turns = {"layer_types": ["linear_attention", "full_attention"], "rms_norm_eps": 1e-3}
    text = (decoder("qwen3") if variant == 2 else decoder("qwen3_5", **turns)).to_dict()
    config = library().MiniCPMV4_6Config(
        vision_config=VISION, text_config=text, insert_layer_id=1, image_token_id=IMAGE, video_token_id=VIDEO,
        tie_word_embeddings=False, downsample_mode=mode,
    )  # fmt: skip
    by = processor("minicpmv4_6", "MiniCPMV4_6", patch_size=7, scale_resolution=56, max_slice_nums=4, downsample_mode=mode)
    pictures = draw.pictures((50, 70), (40, 41)) if variant == 1 else draw.pictures((60, 130))

    def inputs(_: Any) -> dict[str, Any]:
        seen = processed(by, pictures, "pixel_values", "target_sizes")
        tokens = int(seen["target_sizes"].prod(-1).sum()) // [16, 4, 16][variant]
        return {**padded([BOS, *draw.text(3), *[IMAGE] * tokens, *draw.text(3)]), **seen}

    return Case(library().MiniCPMV4_6ForConditionalGeneration, config, inputs, by, pictures)
