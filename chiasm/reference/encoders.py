"""Encoders by themselves: ViT and DINOv2."""

from __future__ import annotations

from chiasm.reference.case import Case, Draw
from chiasm.reference.parts import library, processed, processor


def vit(variant: int, draw: Draw) -> Case:
    """0: at its own size, with biases; 1: without them, four heads, on pictures larger than the position table."""
    config = library().ViTConfig(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=[3, 4][variant], intermediate_size=40, image_size=32,
        patch_size=8, qkv_bias=not variant,
    )  # fmt: skip
    side = [32, 48][variant]
    by = processor("vit", "ViT", size={"height": side, "width": side})
    pictures = draw.pictures((47, 61), (33, 30))
    inputs = processed(by, pictures, "pixel_values")
    options = (("interpolate_pos_encoding", True),)
    return Case(library().ViTModel, config, lambda _: inputs, by, pictures, writes=False, options=options)


def vit_labels(variant: int, draw: Draw) -> Case:
    """A ViT that names one of five classes; 1: with more than the usual heads."""
    config = library().ViTConfig(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=[3, 6][variant], intermediate_size=40, image_size=32,
        patch_size=8, num_labels=5,
    )  # fmt: skip
    by, pictures = processor("vit", "ViT", size={"height": 32, "width": 32}), draw.pictures((47, 61), (33, 30))
    inputs = processed(by, pictures, "pixel_values")
    return Case(library().ViTForImageClassification, config, lambda _: inputs, by, pictures, writes=False)


def dinov2(variant: int, draw: Draw) -> Case:
    """0: a plain MLP; 1: a gated one, on the position table's own size; 2: three registers."""
    sizes = {
        "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 35, "patch_size": 7, "mlp_ratio": 2,
        "use_swiglu_ffn": variant == 1,
    }  # fmt: skip
    tf = library()
    if variant == 2:
        model, config = tf.Dinov2WithRegistersModel, tf.Dinov2WithRegistersConfig(**sizes, num_register_tokens=3)
    else:
        model, config = tf.Dinov2Model, tf.Dinov2Config(**sizes)
    height, width = [(42, 56), (35, 35), (49, 28)][variant]
    crop = {"height": height, "width": width}
    by = processor("bit", "Bit", size={"shortest_edge": [60, 40, 50][variant]}, crop_size=crop)
    pictures = draw.pictures((70, 91), (66, 58))
    inputs = processed(by, pictures, "pixel_values")
    return Case(model, config, lambda _: inputs, by, pictures, writes=False)
