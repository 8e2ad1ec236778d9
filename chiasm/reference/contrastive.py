"""CLIP, SigLIP and SigLIP 2."""

from __future__ import annotations

from chiasm.reference.case import VOCAB, Case, Draw, padded
from chiasm.reference.parts import (
    clip_processor,
    clip_tower,
    library,
    processed,
    processor,
    siglip_processor,
    siglip_tower,
)


def clip(variant: int, draw: Draw) -> Case:
    """0: OpenAI's (quick GELU, the highest id pools); 1: LAION's (GELU, the first end of text pools); 2: 0's towers but
    for the pooling, on pictures larger than the position table."""
    act, end = "gelu" if variant == 1 else "quick_gelu", 2 if variant == 0 else 97
    text = {
        "vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "max_position_embeddings": 16, "hidden_act": act, "projection_dim": 20,
        "bos_token_id": 96, "eos_token_id": end, "pad_token_id": 1,
    }  # fmt: skip
    vision = clip_tower(hidden_act=act, projection_dim=20).to_dict()
    config = library().CLIPConfig(text_config=text, vision_config=vision, projection_dim=20)
    pictures = draw.pictures((47, 61), (33, 30), (80, 41))
    by = clip_processor(42 if variant == 2 else 30)
    last = 98 if variant == 0 else 97
    ids = padded([96, *draw.text(4), last], [96, *draw.text(9), last], pad=1, left=False)
    options = (("interpolate_pos_encoding", True),) if variant == 2 else ()
    inputs = {**ids, **processed(by, pictures, "pixel_values")}
    return Case(library().CLIPModel, config, lambda _: inputs, by, pictures, writes=False, options=options)


def siglip(variant: int, draw: Draw) -> Case:
    """0: four patches a side of 7 pixels; 1: of 8 pixels, two heads."""
    text = {
        "vocab_size": VOCAB, "hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 3, "max_position_embeddings": 12, "projection_size": 24,
    }  # fmt: skip
    vision = siglip_tower(**({"image_size": 32, "patch_size": 8, "num_attention_heads": 2} if variant else {}))
    config = library().SiglipConfig(text_config=text, vision_config=vision.to_dict())
    pictures, by = draw.pictures((40, 55), (61, 29)), siglip_processor([28, 32][variant])
    inputs = {"input_ids": draw.ids(3, 12), **processed(by, pictures, "pixel_values")}
    return Case(library().SiglipModel, config, lambda _: inputs, by, pictures, writes=False)


def siglip2(variant: int, draw: Draw) -> Case:
    """0: patches of 6 pixels, a table of 4 x 4; 1: of 8 pixels, 5 x 5. Each picture keeps about its own shape."""
    text = {
        "vocab_size": VOCAB, "hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 3, "max_position_embeddings": 12,
    }  # fmt: skip
    vision = {
        "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3,
        "patch_size": [6, 8][variant], "num_patches": [16, 25][variant],
    }  # fmt: skip
    config = library().Siglip2Config(text_config=text, vision_config=vision)
    by = processor("siglip2", "Siglip2", patch_size=[6, 8][variant], max_num_patches=[16, 20][variant])
    pictures = draw.pictures((40, 90), (61, 29), (20, 20))
    names = ("pixel_values", "pixel_attention_mask", "spatial_shapes")
    inputs = {"input_ids": draw.ids(2, 12), **processed(by, pictures, *names)}
    return Case(library().Siglip2Model, config, lambda _: inputs, by, pictures, writes=False)
