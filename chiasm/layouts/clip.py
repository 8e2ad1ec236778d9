"""Folders of CLIP, or with it as a part: fields of the config, names of the tensors."""

from chiasm.layout import Config, Layout, Name, Reading, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, TEXT_KEYS, VIT_KEYS, crop_resize, pixels, vit_block
from chiasm.spec import ClsProject, Match, Table, TextTower, ViT

OLD_END = 2
"""Configs of the first files name 2 as the end of text; those pool the highest id instead."""


def read_vision(c: Config) -> Reading:
    block = vit_block(c, width=768, heads=12, mlp_width=3072, act="quick_gelu", eps=1e-5)
    patch = c.get("patch_size", 32)
    c.only("num_channels", 3)
    c.inert("projection_dim")
    table = Table(c.get("image_size", 224) // patch)
    depth = c.get("num_hidden_layers", 12)
    spec = ViT(block, depth, patch, table, stem_bias=False, cls="keep", pre_norm=True, post_norm="idle")
    return Reading(spec, VIT_KEYS)


def read_text(c: Config) -> Reading:
    block = vit_block(c, width=512, heads=8, mlp_width=2048, act="quick_gelu", eps=1e-5)
    end = c.get("eos_token_id", 49407)
    spec = TextTower(
        block, c.get("num_hidden_layers", 12), c.get("vocab_size", 49408), c.get("max_position_embeddings", 77), "causal",
        "highest" if end == OLD_END else "first_end", end, c.get("projection_dim", 512), project_bias=False,
    )  # fmt: skip
    return Reading(spec, TEXT_KEYS)


def read(c: Config) -> Reading:
    vision, text = c.part("vision_config", "clip_vision_model"), c.part("text_config", "clip_text_model")
    width = c.get("projection_dim", 512)
    c.inert("logit_scale_init_value", "text_config_dict", "vision_config_dict")
    views, look = crop_resize(c.pixels, 224), pixels(c.pixels, CLIP_MEAN, CLIP_STD)
    text_spec = TextTower(**{**vars(text.spec), "project": width})
    keys = (
        *under("vision_model.", "vision.", vision.keys),
        *under("text_model.", "text.", text.keys),
        Name("visual_projection.weight", "pool.project.weight"),
        Name("text_projection.weight", "text.project.weight"),
        Name("logit_scale", "logits.scale"),
    )
    return Reading(Match(views, look, vision.spec, ClsProject(width), text_spec, "softmax"), keys)


LAYOUTS = (Layout("clip", read), Layout("clip_vision_model", read_vision), Layout("clip_text_model", read_text))
