"""Folders of SigLIP, or with it as a part: fields of the config, names of the tensors."""

from chiasm.layout import Config, Layout, Name, Reading, under
from chiasm.readers import HALF, VIT_KEYS, pixels, squash, vit_block
from chiasm.spec import AttentionPool, Match, Table, ViT
from chiasm.towers.plain import POOL_KEYS, sigmoid_text


def read_vision(c: Config) -> Reading:
    block = vit_block(c, width=768, heads=12, mlp_width=3072, act="gelu_pytorch_tanh", eps=1e-6)
    patch = c.get("patch_size", 16)
    c.only("num_channels", 3)
    c.inert("vision_use_head", "projection_dim")
    spec = ViT(block, c.get("num_hidden_layers", 12), patch, Table(c.get("image_size", 224) // patch), post_norm="idle")
    return Reading(spec, VIT_KEYS)


def read(c: Config) -> Reading:
    vision, text = c.part("vision_config", "siglip_vision_model"), c.part("text_config", "siglip_text_model")
    c.inert("initializer_factor")
    views, look = squash(c.pixels, 224), pixels(c.pixels, HALF, HALF)
    keys = (
        *under("vision_model.", "vision.", vision.keys),
        *under("vision_model.", "pool.", POOL_KEYS),
        *under("text_model.", "text.", text.keys),
        Name("logit_scale", "logits.scale"),
        Name("logit_bias", "logits.bias"),
    )
    return Reading(Match(views, look, vision.spec, AttentionPool(vision.spec.block.mlp_width), text.spec, "sigmoid"), keys)


LAYOUTS = (Layout("siglip", read), Layout("siglip_vision_model", read_vision), Layout("siglip_text_model", sigmoid_text))
