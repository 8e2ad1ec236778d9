"""LLaVA 1.5 and its relatives, and LLaVA-NeXT."""

from __future__ import annotations

from typing import Any

import torch

from chiasm.reference.case import BOS, IMAGE, Case, Draw, padded
from chiasm.reference.parts import (
    clip_processor,
    clip_tower,
    decoder,
    library,
    processed,
    siglip_processor,
    siglip_tower,
)

POINTS = [[30, 60], [60, 30], [60, 60], [90, 30], [30, 90]]


def llava(variant: int, draw: Draw) -> Case:
    """0: CLIP's last but one state and Llama; 1: SigLIP's last state and a tied Qwen2 (LLaVA-Interleave); 2: two states
    of the tower, Mistral, a projector without bias; 3: pictures padded to a square first."""
    interleave = variant == 1
    tower = siglip_tower(vision_use_head=False) if interleave else clip_tower()
    text = [
        lambda: decoder("llama", tie_word_embeddings=False),
        lambda: decoder("qwen2", tie_word_embeddings=True, num_key_value_heads=1),
        lambda: decoder("mistral", tie_word_embeddings=False),
        lambda: decoder("llama", num_attention_heads=8, tie_word_embeddings=False),
    ][variant]()
    length = 16 if interleave else 25
    config = library().LlavaConfig(
        vision_config=tower, text_config=text, image_token_index=IMAGE,
        vision_feature_layer=[-2, -1, [-1, -3], -2][variant], multimodal_projector_bias=variant != 2,
        vision_feature_select_strategy="full" if interleave else "default", image_seq_length=length,
        tie_word_embeddings=interleave,
    )  # fmt: skip
    by = _eye(variant)
    pictures = draw.pictures((50, 70), (64, 33), (31, 45))
    one = [IMAGE] * length
    ids = padded(
        [BOS, *draw.text(3), *one, *draw.text(4)],
        [BOS, *one, *draw.text(2), *one, *draw.text(3)],
    )
    inputs = {**ids, **processed(by, pictures, "pixel_values")}
    return Case(library().LlavaForConditionalGeneration, config, lambda _: inputs, by, pictures)


def _eye(variant: int) -> Any:
    match variant:
        case 1:
            return siglip_processor(28)
        case 3:
            return clip_processor(30, "llava", "Llava", do_pad=True)
        case _:
            return clip_processor(30)


def llava_next(variant: int, draw: Draw) -> Case:
    """0: one picture, Mistral; 1: three pictures in two rows, Llama."""
    text = decoder(["mistral", "llama"][variant], tie_word_embeddings=False)
    config = library().LlavaNextConfig(
        vision_config=clip_tower(),
        text_config=text,
        image_token_index=IMAGE,
        image_grid_pinpoints=POINTS,
        image_seq_length=25,
    )
    by = clip_processor(30, "llava_next", "LlavaNext", image_grid_pinpoints=POINTS)
    pictures = draw.pictures(*([(29, 97), (75, 31), (53, 58)] if variant else [(47, 100)]))

    def inputs(model: Any) -> dict[str, Any]:
        seen = processed(by, pictures, "pixel_values", "image_sizes")
        with torch.no_grad():
            features = model.get_image_features(seen["pixel_values"], image_sizes=seen["image_sizes"]).pooler_output
        runs = [[IMAGE] * len(feature) for feature in features]
        rows = [[BOS, *draw.text(3), *runs[0], *draw.text(4)]]
        if variant:
            rows.append([BOS, *runs[1], *draw.text(2), *runs[2], *draw.text(3)])
        return {**padded(*rows), **seen}

    return Case(library().LlavaNextForConditionalGeneration, config, inputs, by, pictures)
