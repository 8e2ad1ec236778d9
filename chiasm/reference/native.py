"""Models without an encoder, or with a second one for drawing; Persimmon, which the first of them is made of."""

from __future__ import annotations

from math import ceil
from typing import Any

import torch
from torch import Tensor

from chiasm.reference.case import AFTER, BEFORE, BOS, EOS, IMAGE, PAD, VOCAB, Case, Draw, Picture, padded
from chiasm.reference.parts import decoder, library, processed, processor


def persimmon_config(heads: int, **changes: Any) -> Any:
    """The config of a Persimmon of two layers, half of each head turned."""
    sizes = {
        "vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": heads, "max_position_embeddings": 256, "pad_token_id": PAD, "bos_token_id": BOS,
        "eos_token_id": EOS, "tie_word_embeddings": False,
        "rope_parameters": {"rope_type": "default", "rope_theta": 25000.0, "partial_rotary_factor": 0.5},
    }  # fmt: skip
    return library().PersimmonConfig(**{**sizes, **changes})


def persimmon(variant: int, draw: Draw) -> Case:
    """1: queries and keys without norms, tied."""
    ids = padded([BOS, *draw.text(11)], [BOS, *draw.text(7)])
    config = persimmon_config([4, 2][variant], qk_layernorm=variant == 0, tie_word_embeddings=variant == 1)
    return Case(library().PersimmonForCausalLM, config, lambda _: ids)


def fuyu(variant: int, draw: Draw) -> Case:
    """0: a picture that is kept as it is; 1: one that is shrunk into the canvas, beside a row of text alone."""
    patch = [6, 8][variant]
    text = persimmon_config([4, 2][variant]).to_dict()
    config = library().FuyuConfig(
        text_config=text, image_size=32, patch_size=patch, image_token_id=IMAGE, tie_word_embeddings=False
    )
    height, width = [(90, 120), (32, 48)][variant]
    by = processor("fuyu", "Fuyu", size={"height": height, "width": width}, patch_size={"height": patch, "width": patch})
    (picture,) = draw.pictures([(31, 40), (70, 53)][variant])
    rows, columns, patches = patched(by, picture, patch)
    row = [*[*[IMAGE] * columns, BEFORE] * rows, BOS, *draw.text(4), AFTER]
    ids = padded(row, [BOS, *draw.text(5)]) if variant else padded(row)
    inputs = {**ids, "pixel_values": patches[None]}
    return Case(library().FuyuForCausalLM, config, lambda _: inputs, by, (picture,))


def patched(by: Any, picture: Picture, patch: int) -> tuple[int, int, Tensor]:
    """Rows and columns of patches, and the patches, of the part of a canvas that a picture stands in."""
    from PIL import Image

    made = by(images=[[Image.fromarray(picture)]], return_tensors="pt")
    canvas = torch.as_tensor(made["images"][0][0])
    sides = (made["image_unpadded_heights"][0][0], made["image_unpadded_widths"][0][0])
    high, wide = (min(edge, ceil(int(side) / patch) * patch) for edge, side in zip(canvas.shape[1:], sides, strict=True))
    return high // patch, wide // patch, torch.as_tensor(by.patchify_image(canvas[:, :high, :wide].numpy()))


def janus(variant: int, draw: Draw) -> Case:
    """0: one picture; 1: two, shared key heads, an aligner of three layers."""
    vision = {
        "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 28, "patch_size": 7,
        "mlp_ratio": 2.0, "projection_dim": 32, "depth": [2, 3][variant], "num_image_tokens": 16,
    }  # fmt: skip
    drawing = {
        "embed_dim": 8, "num_embeddings": 20, "latent_channels": 16, "base_channels": 32, "channel_multiplier": [1, 2],
        "num_res_blocks": [1, 2][variant], "projection_dim": [32, 24][variant], "image_token_embed_dim": 32,
        "num_hidden_layers": [2, 3][variant],
    }  # fmt: skip
    text = decoder("llama", num_key_value_heads=[4, 2][variant]).to_dict()
    config = library().JanusConfig(
        text_config=text, vision_config=vision, vq_config=drawing, image_token_id=IMAGE, tie_word_embeddings=False
    )
    by = processor("janus", "Janus", size={"height": 28, "width": 28}, min_size=14)
    pictures = draw.pictures((40, 61), (55, 20))[: variant + 1]
    row = [BOS]
    for _ in pictures:
        row += [*draw.text(2), BEFORE, *[IMAGE] * 16, AFTER]
    inputs = {**padded([*row, *draw.text(3)]), **processed(by, pictures, "pixel_values")}
    return Case(library().JanusForConditionalGeneration, config, lambda _: inputs, by, pictures)
