"""Models without an encoder, or with a second one for drawing; Persimmon, which the first of them is made of."""

from __future__ import annotations

from math import ceil
from typing import Any

import torch
from torch import Tensor

from chiasm.reference.case import AFTER, BEFORE, BOS, EOS, IMAGE, PAD, VOCAB, Case, Draw, Picture, padded
from chiasm.reference.parts import clip_processor, clip_tower, decoder, library, processed, processor

CODES = 200
"""How many words of pictures the tiny vocabularies have, behind those of text."""


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


def chameleon(variant: int, draw: Draw) -> Case:
    """0: shared key heads; 1: norms behind, attention at one level of the tokenizer, two pictures; 2: a tokenizer without
    attention, whose words stand in another order."""
    tokenizer = {
        "embed_dim": 16, "num_embeddings": CODES, "latent_channels": 16, "resolution": 32, "base_channels": 32,
        "channel_multiplier": [1, 1, 2], "num_res_blocks": [1, 2, 1][variant], "attn_resolutions": [None, [8], None][variant],
        "attn_type": ["vanilla", "vanilla", "none"][variant],
    }  # fmt: skip
    letters = str.maketrans("0123456789", "ABCDEFGHIJ")
    order = list(range(VOCAB, VOCAB + CODES))
    order = order if variant < 2 else order[7:] + order[:7]
    words = {f"IMGIMG{str(code).translate(letters)}Z": number for code, number in enumerate(order)}
    config = library().ChameleonConfig(
        vocab_size=VOCAB + CODES, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=[2, 4, 4][variant], vq_config=tokenizer, vocabulary_map={"<image>": IMAGE, **words},
        swin_norm=variant == 1, pad_token_id=PAD, max_position_embeddings=512,
    )  # fmt: skip
    crop = {"height": 32, "width": 32}
    by = processor("chameleon", "Chameleon", size={"shortest_edge": 32}, crop_size=crop)
    pictures = draw.pictures((40, 61), (55, 33))[: 2 if variant == 1 else 1]
    row = [BOS]
    for _ in pictures:
        row += [*draw.text(2), BEFORE, *[IMAGE] * 64, AFTER]
    inputs = {**padded([*row, *draw.text(3)], [BOS, *draw.text(4)]), **processed(by, pictures, "pixel_values")}
    return Case(library().ChameleonForConditionalGeneration, config, lambda _: inputs, by, pictures)


def emu3(variant: int, draw: Draw) -> Case:
    """0: pictures of four frames, beside a row of text alone; 1: of two frames, attention at the first level too. One picture
    a batch: the reference pads others to its size, and their words would then depend on it."""
    tokenizer = {
        "codebook_size": CODES, "embed_dim": 2, "latent_channels": 8, "base_channels": 32, "num_res_blocks": [2, 1][variant],
        "channel_multiplier": [[1, 1, 2], [1, 1]][variant], "attn_resolutions": [[2], [0, 1]][variant],
        "hidden_size": [64, 32][variant], "temporal_downsample_factor": [4, 2][variant],
    }  # fmt: skip
    words = {f"<|visual token {code:06d}|>": VOCAB + code for code in range(CODES)}
    text = decoder("llama", vocab_size=VOCAB + CODES).to_dict() | {"model_type": "emu3_text_model"}
    config = library().Emu3Config(
        vq_config=tokenizer, text_config=text, vocabulary_map={"<image>": IMAGE, "<|extra_200|>": BEFORE, **words},
        tie_word_embeddings=False,
    )  # fmt: skip
    patch = [4, 2][variant]
    by = library().Emu3ImageProcessor(min_pixels=256, max_pixels=40 * patch**2, spatial_factor=patch)
    pictures = draw.pictures([(40, 61), (19, 13)][variant])
    seen = processed(by, pictures, "pixel_values", "image_sizes")
    ((height, width),) = seen["image_sizes"].tolist()
    row = [BOS, *draw.text(2), *[IMAGE] * (height // patch * (width // patch + 1)), AFTER, *draw.text(3)]
    ids = padded(row) if variant else padded(row, [BOS, *draw.text(4)])
    return Case(library().Emu3ForConditionalGeneration, config, lambda _: {**ids, **seen}, by, pictures)


def kosmos2(variant: int, draw: Draw) -> Case:
    """0: one picture; 1: two rows with a picture each, pads on the right; 2: embeddings as they are, a picture
    squashed to a square."""
    text = {
        "vocab_size": VOCAB, "max_position_embeddings": 64, "embed_dim": 32, "layers": 2, "ffn_dim": 48, "attention_heads": 4,
        "dropout": 0.0, "attention_dropout": 0.0, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
        "scale_embedding": variant < 2, "activation_function": ["gelu", "relu", "gelu"][variant],
    }  # fmt: skip
    queries = [5, 4, 7][variant]
    vision = clip_tower(image_size=28, patch_size=[7, 4, 7][variant]).to_dict()
    config = library().Kosmos2Config(text_config=text, vision_config=vision, latent_query_num=queries)
    square = {"height": 28, "width": 28}
    by = clip_processor(28) if variant < 2 else processor("clip", "CLIP", size=square, crop_size=square)
    pictures = draw.pictures((40, 61), (33, 30))[: 2 if variant == 1 else 1]
    # What stands between a picture's marks are any ids: a mask says where its tokens go.
    rows = ([0, BEFORE, *draw.text(queries), AFTER, *draw.text(length)] for length in (4, 6)[: len(pictures)])
    ids = padded(*rows, pad=1, left=False)
    mask = torch.zeros_like(ids["input_ids"])
    mask[:, 2 : 2 + queries] = 1
    inputs = {**ids, "image_embeds_position_mask": mask, **processed(by, pictures, "pixel_values")}
    return Case(library().Kosmos2ForConditionalGeneration, config, lambda _: inputs, by, pictures, writes=variant != 1)


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
