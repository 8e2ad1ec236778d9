"""Readers of fields that several families share: transformer blocks, rotary positions, pixels, and their usual keys.

Data vocabulary like `spec` and `layout`: families import these three and nothing else.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from chiasm.errors import BadConfig
from chiasm.layout import REQUIRED, Config, Ignored, Name, Reading, Rule
from chiasm.spec import (
    Activation,
    Block,
    Decoder,
    DynamicNtk,
    Even,
    Letterbox,
    LinearScaling,
    Llama3Scaling,
    LongRope,
    Norm,
    PerSecond,
    Pixels,
    Plain,
    Resample,
    Resize,
    Rope,
    Scaling,
    Take,
    Yarn,
)

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)

RESAMPLE: dict[int, Resample] = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
"""Pillow's numbers, as preprocessors write them."""

VIT_KEYS: tuple[Rule, ...] = (
    Name("embeddings.class_embedding", "cls"),
    Name("embeddings.patch_embedding.*", "stem.*"),
    Name("embeddings.position_embedding.weight", "position.weight"),
    Name("pre_layrnorm.*", "pre_norm.*"),
    Name("encoder.layers.*.layer_norm1.*", "blocks.*.norm1.*"),
    Name("encoder.layers.*.layer_norm2.*", "blocks.*.norm2.*"),
    Name("encoder.layers.*.self_attn.q_proj.*", "blocks.*.attention.q.*"),
    Name("encoder.layers.*.self_attn.k_proj.*", "blocks.*.attention.k.*"),
    Name("encoder.layers.*.self_attn.v_proj.*", "blocks.*.attention.v.*"),
    Name("encoder.layers.*.self_attn.out_proj.*", "blocks.*.attention.out.*"),
    Name("encoder.layers.*.mlp.fc1.*", "blocks.*.mlp.up.*"),
    Name("encoder.layers.*.mlp.fc2.*", "blocks.*.mlp.down.*"),
    Name("post_layernorm.*", "post_norm.*"),
    Ignored("embeddings.position_ids"),
)
"""CLIP's and SigLIP's vision towers, as transformers names them."""

TEXT_KEYS: tuple[Rule, ...] = (
    Name("embeddings.token_embedding.weight", "embed.weight"),
    Name("embeddings.position_embedding.weight", "position.weight"),
    *VIT_KEYS[4:12],
    Name("final_layer_norm.*", "norm.*"),
    Ignored("embeddings.position_ids"),
)
"""Their text towers."""

DECODER_KEYS: tuple[Rule, ...] = (
    Name("embed_tokens.weight", "embed.weight"),
    Name("layers.*.input_layernorm.*", "blocks.*.norm1.*"),
    Name("layers.*.post_attention_layernorm.*", "blocks.*.norm2.*"),
    Name("layers.*.self_attn.q_proj.*", "blocks.*.attention.q.*"),
    Name("layers.*.self_attn.k_proj.*", "blocks.*.attention.k.*"),
    Name("layers.*.self_attn.v_proj.*", "blocks.*.attention.v.*"),
    Name("layers.*.self_attn.o_proj.*", "blocks.*.attention.out.*"),
    Name("layers.*.mlp.gate_proj.*", "blocks.*.mlp.gate.*"),
    Name("layers.*.mlp.up_proj.*", "blocks.*.mlp.up.*"),
    Name("layers.*.mlp.down_proj.*", "blocks.*.mlp.down.*"),
    Name("norm.weight", "norm.weight"),
    Ignored("layers.*.self_attn.rotary_emb.inv_freq"),
)
"""Llama's decoder and its many descendants."""


def head_keys(theirs: str, tied: bool) -> tuple[Rule, ...]:
    """The head's own weight, or nothing where it is the embedding (some files carry the copy all the same)."""
    return (Ignored(theirs),) if tied else (Name(theirs, "head.weight"),)


def decoder(
    c: Config,
    *,
    heads: Any = REQUIRED,
    context: int,
    eps: float,
    theta: float = 10000.0,
    qkv_bias: bool = False,
    out_bias: bool = False,
    mlp_bias: bool = False,
    window: int | None = None,
) -> Reading:
    """A decoder of the Llama kind from a text config; the keywords are the published class's defaults where they differ."""
    width, heads = c.get("hidden_size", 4096), c.get("num_attention_heads", heads if heads is not REQUIRED else 32)
    block = Block(
        width=width,
        heads=heads,
        kv_heads=c.first("num_key_value_heads", default=heads),
        head_width=c.first("head_dim", default=width // heads),
        mlp_width=c.get("intermediate_size", 11008),
        norm=Norm("rms", c.get("rms_norm_eps", eps)),
        act=c.act("hidden_act", "silu"),
        mlp="gated",
        qkv_bias=qkv_bias,
        out_bias=out_bias,
        mlp_bias=mlp_bias,
    )
    c.inert("max_window_layers")
    positions = rope(c, theta, context)
    longest = c.get("max_position_embeddings", context)
    spec = Decoder(
        block=block,
        depth=c.get("num_hidden_layers", 32),
        vocab=c.get("vocab_size", 32000),
        rope=positions,
        # A base that grows knows no end; InternLM2, which has one, is published for six times its config's positions.
        context=8 * longest if isinstance(positions.scaling, DynamicNtk) else longest,
        tied=c.get("tie_word_embeddings", False),
        window=window,
    )
    return Reading(spec, DECODER_KEYS)


def rope(c: Config, theta: float, context: int) -> Rope:
    """Rotary positions in any of three spellings: rope_parameters; rope_theta with rope_scaling; and its old `type`.

    `theta` and `context` are the published class's defaults."""
    c.inert("rope_theta", "rope_scaling", "rope_parameters")
    c.only("rope_interleaved", False)
    fields = c.data.get("rope_parameters") or c.data.get("rope_scaling") or {}
    base = fields.get("rope_theta") or c.data.get("rope_theta") or theta
    sections = tuple(fields.get("mrope_section") or ())
    kind = fields.get("rope_type") or fields.get("type") or "default"
    share = fields.get("partial_rotary_factor") or c.first("partial_rotary_factor", default=1.0)
    return Rope(float(base), scaling(c, kind, fields, context), sections, float(share))


def scaling(c: Config, kind: str, fields: dict[str, Any], context: int) -> Scaling:
    """The scaling of rotary frequencies by its published name. Raises `BadConfig` for one that is not done."""
    longest = c.get("max_position_embeddings", context)
    match kind:
        case "default" | "mrope":
            return Plain()
        case "linear":
            return LinearScaling(float(fields["factor"]))
        case "llama3":
            low, high = float(fields["low_freq_factor"]), float(fields["high_freq_factor"])
            return Llama3Scaling(float(fields["factor"]), low, high, int(fields["original_max_position_embeddings"]))
        case "dynamic":
            return DynamicNtk(float(fields["factor"]), longest)
        case "longrope" | "su":
            original = fields.get("original_max_position_embeddings") or c.first("original_max_position_embeddings")
            factor = fields.get("factor") or longest / original
            louder = longrope_louder(factor, original)
            short, long = (tuple(map(float, fields[name])) for name in ("short_factor", "long_factor"))
            return LongRope(short, long, float(fields.get("attention_factor") or louder), original)
        case "yarn":
            return yarn(fields, longest)
        case _:
            known = "default, mrope, linear, llama3, dynamic, longrope and yarn are"
            raise BadConfig(f"{c.path}: rope of type {kind!r} is not supported; {known}")


def longrope_louder(factor: float, original: int) -> float:
    """What LongRoPE multiplies queries and keys by, for a context `factor` times as long (arXiv:2402.13753)."""
    return 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(original))


def yarn(fields: dict[str, Any], longest: int) -> Yarn:
    """YaRN's frequencies; where a config says nothing of the `mscale` that it took, the paper's own."""
    original = fields.get("original_max_position_embeddings") or longest
    factor = float(fields.get("factor") or longest / original)
    some, every = fields.get("mscale"), fields.get("mscale_all_dim")
    louder = yarn_louder(factor, some) / yarn_louder(factor, every) if some and every else yarn_louder(factor, 1)
    fast, slow = float(fields.get("beta_fast") or 32), float(fields.get("beta_slow") or 1)
    return Yarn(factor, original, fast, slow, float(fields.get("attention_factor") or louder))


def yarn_louder(factor: float, strength: float) -> float:
    """What YaRN multiplies queries and keys by, at a strength of 1 in its paper (arXiv:2309.00071)."""
    return 1.0 if factor <= 1 else 0.1 * strength * math.log(factor) + 1.0


def sliding_window(c: Config, default: int | None) -> int | None:
    """How far back a key may lie, where the config says that all layers slide."""
    window: int | None = c.get("sliding_window", default)
    return window


def vit_block(c: Config, *, width: int, heads: int, mlp_width: int, act: str, eps: float) -> Block:
    """The block of a CLIP-like tower; the keywords are the published class's defaults."""
    width, heads = c.get("hidden_size", width), c.get("num_attention_heads", heads)
    activation: Activation = c.act("hidden_act", act)
    norm = Norm("layer", c.get("layer_norm_eps", eps))
    return Block(width, heads, c.get("intermediate_size", mlp_width), heads, width // heads, norm, activation)


def pixels(
    c: Config, mean: tuple[float, float, float], std: tuple[float, float, float], resample: Resample = "bicubic"
) -> Pixels:
    """Resampling and normalisation from a preprocessor; the arguments are the published class's defaults."""
    for switch in ("do_rescale", "do_normalize", "do_resize", "do_convert_rgb"):
        c.only(switch, True)
    c.inert(
        "image_processor_type",
        "processor_class",
        "feature_extractor_type",
        "use_fast",
        "data_format",
        "input_data_format",
    )
    c.inert("default_to_square", "return_tensors", "device", "disable_grouping", "do_center_crop", "do_pad")
    number = c.get("resample", None)
    if number is not None and number not in RESAMPLE:
        raise BadConfig(f"{c.path}: resample = {number!r} is not one of Pillow's 0 to 5")
    return Pixels(
        triple(c.get("image_mean", mean)),
        triple(c.get("image_std", std)),
        c.get("rescale_factor", 1 / 255),
        resample if number is None else RESAMPLE[number],
    )


def triple(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)


def edges(value: Any) -> tuple[int, int]:
    """Height and width from an edge, an object of both, or an object of the shortest edge."""
    if isinstance(value, int):
        return value, value
    if "height" in value:
        return value["height"], value["width"]
    return value["shortest_edge"], value["shortest_edge"]


def crop_resize(c: Config, default: int) -> Resize:
    """CLIP's preprocessing: the shortest edge resized, the centre cropped; padded to a square first where `do_pad` says so."""
    size, crop = c.get("size", {"shortest_edge": default}), c.get("crop_size", default)
    c.only("do_center_crop", True)
    height, width = edges(crop)
    if isinstance(size, dict) and "height" in size:
        if edges(size) != (height, width):
            raise BadConfig(f"{c.path}: size = {size} with crop_size = {crop} is not supported; two equal ones are")
        return Resize(height, width, "squash")
    fit = "pad" if c.get("do_pad", False) else "crop"
    return Resize(height, width, "pad" if fit == "pad" else "crop", None if edges(size)[0] == height else edges(size)[0])


def frame_crop(c: Config, default: int) -> Resize:
    """CLIP's preprocessing of a clip's frames, which are never padded."""
    seen = crop_resize(c, default)
    return replace(seen, fit="crop") if seen.fit == "pad" else seen


def taken(c: Config, published: Take) -> Take:
    """Which frames the preprocessor of clips takes; where it does not say, those that the model was made for."""
    c.inert("video_processor_type", "do_sample_frames", "return_metadata", "video_metadata")
    count, rate = c.get("num_frames", None), c.get("fps", None)
    if count is not None:
        return Even(count)
    if rate is None:
        return published
    return replace(published, frames=rate) if isinstance(published, PerSecond) else PerSecond(rate)


def squash(c: Config, default: int) -> Resize:
    """SigLIP's preprocessing: both edges resized at once."""
    height, width = edges(c.get("size", {"height": default, "width": default}))
    return Resize(height, width, "squash")


def letterbox(c: Config, default: int = 384, field: str = "size") -> Letterbox:
    """DeepSeek-VL's preprocessing: the longest edge to a size, the rest padded."""
    height, width = edges(c.get(field, {"height": default, "width": default}))
    if height != width:
        raise BadConfig(f"{c.path}: {field} = {height} x {width} is not supported; a square is")
    c.inert("background_color", "high_res_background_color")
    return Letterbox(height, c.get("min_size", 14))
