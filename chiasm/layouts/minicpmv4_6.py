"""Folders of MiniCPM-V 4.6, with any decoder as a part: fields of the config, names of the tensors."""

from dataclasses import replace

from chiasm.errors import BadConfig
from chiasm.layout import Config, Layout, Name, Reading, Rule, under
from chiasm.readers import HALF, VIT_KEYS, head_keys, pixels, vit_block
from chiasm.spec import (
    Buckets,
    Causal,
    Merge,
    MergingViT,
    Mlp,
    Norm,
    Normed,
    Numbered,
    Sight,
    Slices,
    Splice,
    Step,
    ViT,
)

MARKS = Numbered(("<image>", "</image>"), ("<slice>", "</slice>"), ("<image_id>", "</image_id>"))
UNNUMBERED = replace(MARKS, number=None)

VISION_KEYS: tuple[Rule, ...] = (
    *under("", "eye.", VIT_KEYS),
    Name("vit_merger.layer_norm1.*", "merger.norm1.*"),
    *(Name(f"vit_merger.self_attn.{part}_proj.*", f"merger.attention.{part}.*") for part in ("q", "k", "v", "out")),
    Name("vit_merger.pre_norm.*", "merger.norm2.*"),
    Name("vit_merger.linear_1.*", "merger.up.*"),
    Name("vit_merger.linear_2.*", "merger.down.*"),
)
MERGER_KEYS: tuple[Rule, ...] = (
    Name("mlp.0.pre_norm.*", "steps.1.*"),
    Name("mlp.0.linear_1.*", "steps.2.layers.0.*"),
    Name("mlp.0.linear_2.*", "steps.2.layers.1.*"),
)


def read_vision(c: Config) -> Reading:
    c.only("num_channels", 3)
    c.only("window_kernel_size", [2, 2])
    block = vit_block(c, width=768, heads=12, mlp_width=3072, act="gelu_pytorch_tanh", eps=1e-6)
    patch, after = c.get("patch_size", 16), c.get("insert_layer_id", 6) + 1
    eye = ViT(
        block, c.get("num_hidden_layers", 12), patch, Buckets(c.get("image_size", 224) // patch, "divided"), post_norm="applied"
    )
    return Reading(MergingViT(eye, after, 4 * block.mlp_width), VISION_KEYS)


def read(c: Config) -> Reading:
    text, vision = c.part("text_config", "qwen3_5_text"), c.part("vision_config", "minicpmv4_6_vision")
    c.only("merge_kernel_size", [2, 2])
    c.only("merger_times", 1)
    c.only("downsample_mode", "16x", "4x")
    c.inert("image_size", "patch_size", "drop_vision_last_layer", "video_token_id")
    tied = c.get("tie_word_embeddings", False)
    # Positions are those of text, also in pictures: the axes of M-RoPE never part.
    decoder = replace(text.spec, tied=tied, rope=replace(text.spec.rope, sections=()))
    eye = replace(vision.spec, after=after(c, vision.spec.eye.depth))
    views = slices(c.pixels, eye)
    marks = MARKS if c.pixels.get("use_image_id", True) else UNNUMBERED
    fusion = Splice(c.get("image_token_id"))
    sight = Sight(views, pixels(c.pixels, HALF, HALF), eye, merger(eye, decoder.width), fusion, marks)
    keys = (
        *under("model.language_model.", "language.", text.keys),
        *head_keys("lm_head.weight", tied),
        *under("model.vision_tower.", "vision.", vision.keys),
        *under("model.merger.", "connect.", MERGER_KEYS),
    )
    return Reading(Causal(decoder, sight), keys)


def after(c: Config, depth: int) -> int | None:
    """How many blocks see every patch; none: all of them do."""
    mode, number = c.get("downsample_mode", "16x"), c.get("insert_layer_id", 6)
    if mode == "4x":
        return None
    if not 0 <= number < depth:
        raise BadConfig(f"{c.path}: insert_layer_id = {number} is not a layer of an encoder of {depth}: write 0 to {depth - 1}")
    return number + 1


def slices(c: Config, eye: MergingViT) -> Slices:
    """How pictures are cut: edges are whole numbers of what becomes one token. The model's own mode says how many that are."""
    c.only("slice_mode", True)
    c.only("patch_size", eye.patch)
    c.only("downsample_mode", "4x" if eye.after is None else "16x")
    return Slices(c.get("scale_resolution", 448), c.get("max_slice_nums", 9), 2 * eye.merged)


def merger(eye: MergingViT, width: int) -> tuple[Step, ...]:
    joined = 4 * eye.width
    return Merge(2), Normed(Norm("layer", 1e-6)), Mlp(width, joined)


LAYOUTS = (
    Layout("minicpmv4_6", read),
    Layout("minicpmv4_6_vision", read_vision),
)
