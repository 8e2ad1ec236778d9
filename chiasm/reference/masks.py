"""Models that outline what is pointed at."""

from __future__ import annotations

from typing import Any

import torch

from chiasm.reference.case import Case, Draw
from chiasm.reference.parts import library, processed, processor

TOWER = {
    "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 64, "patch_size": 8,
    "global_attn_indexes": [1], "output_channels": 16, "mlp_dim": 24, "num_pos_feats": 8,
}  # fmt: skip
"""A square of eight cells a side, which windows of three and of five do not fill."""


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
