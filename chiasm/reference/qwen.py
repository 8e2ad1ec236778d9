"""Qwen2-VL and Qwen2.5-VL."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch

from chiasm.reference.case import AFTER, BEFORE, BOS, EOS, IMAGE, PAD, VIDEO, VOCAB, Case, Draw, padded
from chiasm.reference.parts import framed, library, processed, processor

CLIP_GRID = [3, 4, 6]
"""Time, rows and columns of patches of the given video."""

Seen = tuple[Sequence[int], int]
"""The grid of patches of a picture or a video, and its placeholder."""


def qwen2_vl(variant: int, draw: Draw) -> Case:
    """0: one picture; 1: a picture and a video in one row, two pictures in the other, tied; 2: the same from frames on."""
    form, patch = min(variant, 1), [6, 7, 7][variant]
    vision = {
        "depth": 2, "embed_dim": [16, 24][form], "hidden_size": [32, 48][form], "num_heads": [2, 3][form],
        "mlp_ratio": 2, "patch_size": patch, "spatial_merge_size": 2, "temporal_patch_size": 2,
    }  # fmt: skip
    return _qwen("Qwen2VL", vision, most=20, variant=variant, draw=draw, clock="frames")


def qwen2_5_vl(variant: int, draw: Draw) -> Case:
    """As Qwen2-VL's, with windows and with time in seconds."""
    form, patch = min(variant, 1), [6, 7, 7][variant]
    vision = {
        "depth": 3, "hidden_size": [16, 24][form], "out_hidden_size": [32, 48][form],
        "num_heads": [2, 3][form], "intermediate_size": 28, "patch_size": patch, "spatial_merge_size": 2,
        "temporal_patch_size": 2, "window_size": 4 * patch, "fullatt_block_indexes": [1], "tokens_per_second": 2,
    }  # fmt: skip
    return _qwen("Qwen2_5_VL", vision, most=40, variant=variant, draw=draw, clock="seconds")


def _qwen(name: str, vision: dict[str, Any], most: int, variant: int, draw: Draw, clock: Literal["frames", "seconds"]) -> Case:
    filmed, variant = variant == 2, min(variant, 1)
    text = {
        "vocab_size": VOCAB, "hidden_size": [32, 48][variant], "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": [4, 3][variant], "num_key_value_heads": [2, 1][variant],
        "max_position_embeddings": 512,
        "rope_parameters": {
            "rope_type": "default", "mrope_section": [[2, 1, 1], [2, 3, 3]][variant], "rope_theta": 1e4,
        },
        "pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS,
    }  # fmt: skip
    config = getattr(library(), f"{name}Config")(
        text_config=text, vision_config=vision, image_token_id=IMAGE, video_token_id=VIDEO,
        vision_start_token_id=BEFORE, vision_end_token_id=AFTER, tie_word_embeddings=variant == 1,
    )  # fmt: skip
    cell = (2 * vision["patch_size"]) ** 2
    size = {"shortest_edge": cell, "longest_edge": cell * most}
    by = processor("qwen2_vl", "Qwen2VL", patch_size=vision["patch_size"], size=size)
    pictures = draw.pictures(*([(51, 92), (64, 33), (33, 40)] if variant else [(40, 61)]))
    clips = ((draw.clip(6, 44, 57), 4.5),) if filmed else ()

    def inputs(_: Any) -> dict[str, Any]:
        seen = processed(by, pictures, "pixel_values", "image_grid_thw")
        images: list[Seen] = [(grid, IMAGE) for grid in seen["image_grid_thw"].tolist()]
        if variant:
            if clips:
                seen["pixel_values_videos"], grid = framed(by, clips[0][0], vision["patch_size"])
            else:
                grid = CLIP_GRID
                seen["pixel_values_videos"] = draw.normal(math.prod(grid), seen["pixel_values"].shape[1])
            seen["video_grid_thw"] = torch.tensor([grid])
            if clock == "seconds":
                seen["second_per_grid_ts"] = torch.tensor([1.5])
            ids = padded(_row(draw, [images[0], (grid, VIDEO)]), _row(draw, images[1:]))
        else:
            ids = padded(_row(draw, images))
        kinds = (ids["input_ids"] == IMAGE).int() + 2 * (ids["input_ids"] == VIDEO).int()
        return {**ids, "mm_token_type_ids": kinds, **seen}

    return Case(getattr(library(), f"{name}ForConditionalGeneration"), config, inputs, by, pictures, clips=clips)


def _row(draw: Draw, items: Sequence[Seen]) -> list[int]:
    row = [BOS, *draw.text(2)]
    for (frames, height, width), placeholder in items:
        row += [BEFORE, *[placeholder] * (frames * height * width // 4), AFTER, *draw.text(3)]
    return row
