"""SAM, and what sees with its tower."""

from __future__ import annotations

from typing import Any

import torch

from chiasm.reference.case import BOS, IMAGE, Case, Draw, padded
from chiasm.reference.parts import decoder, library, processed, processor, siglip_tower

TOWER = {
    "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 64, "patch_size": 8,
    "global_attn_indexes": [1], "output_channels": 16, "mlp_dim": 24, "num_pos_feats": 8,
}  # fmt: skip
"""A square of eight cells a side, which windows of three and of five do not fill."""


def deepseek_vl_hybrid(variant: int, draw: Draw) -> Case:
    """0: one picture; 1: two, windows that leave the square, normalisations that differ."""
    tower = {**TOWER, "window_size": [3, 5][variant], "global_attn_indexes": [1, 2], "output_channels": 12}
    config = library().DeepseekVLHybridConfig(
        vision_config=siglip_tower(vision_use_head=False).to_dict(), high_res_vision_config=tower,
        text_config=decoder("llama").to_dict(), image_token_id=IMAGE, tie_word_embeddings=False,
    )  # fmt: skip
    own = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.5]} if variant else {}
    by = processor(
        "deepseek_vl_hybrid", "DeepseekVLHybrid", size={"height": 28, "width": 28}, min_size=14,
        high_res_size={"height": 64, "width": 64}, **own,
    )  # fmt: skip
    pictures = draw.pictures((40, 61), (55, 20))[: variant + 1]
    row = [BOS]
    for _ in pictures:
        row += [*draw.text(2), *[IMAGE] * 16]
    inputs = {**padded([*row, *draw.text(3)]), **processed(by, pictures, "pixel_values", "high_res_pixel_values")}
    return Case(library().DeepseekVLHybridForConditionalGeneration, config, lambda _: inputs, by, pictures)


def sam(variant: int, draw: Draw) -> Case:
    """0: points, several masks each; 1: points with boxes and a mask, one each; 2: boxes alone on two pictures, a bare query
    and key, an MLP of two layers for the scores."""
    tower = {**TOWER, "window_size": [3, 5, 4][variant], "qkv_bias": variant != 2}
    prompts = {"hidden_size": 16, "image_size": 64, "patch_size": 8, "mask_input_channels": 8}
    decoder = {
        "hidden_size": 16, "mlp_dim": 24, "num_attention_heads": 2, "iou_head_hidden_dim": 12,
        "iou_head_depth": [3, 3, 2][variant], "num_multimask_outputs": [3, 3, 2][variant],
    }  # fmt: skip
    config = library().SamConfig(vision_config=tower, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    by = processor("sam", "Sam", size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})
    pictures = draw.pictures(*([(40, 61), (75, 52)] if variant == 2 else [(40, 61)]))
    points = torch.tensor([[[[10.0, 20.0], [40.5, 33.0]], [[5.0, 6.0], [60.0, 60.0]]]])
    boxes = torch.tensor([[[3.0, 4.0, 40.0, 50.0], [10.0, 0.0, 63.0, 30.0]]])
    asked: dict[str, Any] = {"input_points": points, "input_labels": torch.tensor([[[1, 0], [1, -10]]])}
    if variant == 1:
        asked |= {"input_boxes": boxes, "input_masks": draw.normal(1, 1, 32, 32)}
    if variant == 2:
        asked = {"input_boxes": torch.cat([boxes, boxes / 2])}
    inputs = {**processed(by, pictures, "pixel_values"), **asked}
    options = (("multimask_output", variant != 1),)
    return Case(library().SamModel, config, lambda _: inputs, by, pictures, writes=False, options=options)
