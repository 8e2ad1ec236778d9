"""Phi-4-multimodal, whose processor works on another library's tensors: its cases begin with views and masks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from chiasm.reference.case import BOS, EOS, IMAGE, PAD, VOCAB, Case, Draw, padded
from chiasm.reference.parts import library

PATCH = 7


def phi4_multimodal(variant: int, draw: Draw) -> Case:
    """0: one picture in two tiles; 1: four tiles of an odd number of patches, the right ones part padding, the frequencies of
    long rows; 2: two pictures of unequal tiles, one padded below."""
    side, original = [28, 35, 28][variant], [512, 24, 512][variant]
    shapes = [((1, 2, 4, 8),), ((2, 2, 10, 8),), ((2, 1, 5, 4), (1, 3, 4, 11))][variant]
    vision = {
        "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 3, "image_size": side,
        "patch_size": PATCH, "crop_size": side, "image_token_id": IMAGE,
    }  # fmt: skip
    audio = {
        "hidden_size": 16, "intermediate_size": 24, "num_blocks": 1, "num_attention_heads": 2, "input_size": 16,
        "time_reduction": 2, "nemo_conv_channels": 8, "ext_pw_out_channel": 16, "depthwise_separable_out_channel": 16,
        "audio_token_id": 95, "bias_max_distance": 20,
    }  # fmt: skip
    rope = {
        "rope_type": "longrope", "rope_theta": 10000.0, "partial_rotary_factor": 0.75, "short_factor": [1.0, 1.1, 1.3],
        "long_factor": [1.5, 2.0, 4.0], "original_max_position_embeddings": original,
    }  # fmt: skip
    config = library().Phi4MultimodalConfig(
        vocab_size=VOCAB, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, original_max_position_embeddings=original, vision_config=vision,
        audio_config=audio, rope_parameters=rope, bos_token_id=BOS, eos_token_id=EOS, pad_token_id=PAD,
        tie_word_embeddings=variant == 1,
    )  # fmt: skip
    cells = side // PATCH
    masks = [mask(*shape, cells) for shape in shapes]
    most = max(map(len, masks))
    shown = {
        "image_pixel_values": draw.normal(len(shapes), most, 3, side, side),
        "image_sizes": torch.tensor([[rows * side, columns * side] for rows, columns, *_ in shapes]),
        "image_attention_mask": torch.stack([torch.cat([m, m.new_ones(most - len(m), cells, cells)]) for m in masks]),
    }
    rows = [[BOS, *draw.text(2), *[IMAGE] * tokens(*shape, cells), *draw.text(3)] for shape in shapes]

    def inputs(_: Any) -> dict[str, Any]:
        return {**padded(*rows), **shown}

    return Case(library().Phi4MultimodalForCausalLM, config, inputs)


def mask(rows: int, columns: int, high: int, wide: int, cells: int) -> Tensor:
    """Of `rows` x `columns` tiles after the whole view: the first `high` x `wide` patches of them are no padding."""
    canvas = torch.zeros(rows * cells, columns * cells, dtype=torch.bool)
    canvas[:high, :wide] = True
    tiles = canvas.reshape(rows, cells, columns, cells).transpose(1, 2).flatten(0, 1)
    return torch.cat([tiles.new_ones(1, cells, cells), tiles])


def tokens(rows: int, columns: int, high: int, wide: int, cells: int) -> int:
    """Every second row and column of each tile's patches, and the learned marks."""
    kept = [
        sum(-(-min(max(seen - n * cells, 0), cells) // 2) for n in range(of)) for seen, of in ((high, rows), (wide, columns))
    ]
    half = -(-cells // 2)
    return kept[0] * (kept[1] + 1) + 1 + half * (half + 1)
