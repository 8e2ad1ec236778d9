"""InternVL 2, 2.5 and 3 (arXiv:2404.16821, 2412.05271, 2504.10479): dynamic tiles, InternViT, pixel shuffle, an MLP.

Two layouts: the ecosystem's `internvl`, and the original code's `internvl_chat` with its own names.
"""

from dataclasses import replace
from typing import Any

from chiasm.layout import Config, Fused, Layout, Name, Reading, Reshaped, Respelt, Rule, alone, rows, under
from chiasm.readers import edges, head_keys, pixels
from chiasm.spec import (
    Activation,
    Around,
    Block,
    Causal,
    Decoder,
    DynamicTiles,
    Family,
    Merge,
    Mlp,
    Norm,
    Normed,
    Pixels,
    Rope,
    Sight,
    Splice,
    Table,
    ViT,
)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MARKS = Around("<img>", "</img>")

VISION_KEYS: tuple[Rule, ...] = (
    Name("embeddings.patch_embeddings.projection.*", "stem.*"),
    Name("encoder.layer.*.layernorm_before.*", "blocks.*.norm1.*"),
    Name("encoder.layer.*.layernorm_after.*", "blocks.*.norm2.*"),
    Name("encoder.layer.*.lambda_1", "blocks.*.scale1.weight"),
    Name("encoder.layer.*.lambda_2", "blocks.*.scale2.weight"),
    *(Name(f"encoder.layer.*.attention.{p}_proj.*", f"blocks.*.attention.{p}.*") for p in "qkv"),
    *(Name(f"encoder.layer.*.attention.{p}_norm.*", f"blocks.*.attention.{p}_across.*") for p in "qk"),
    Name("encoder.layer.*.attention.projection_layer.*", "blocks.*.attention.out.*"),
    Name("encoder.layer.*.mlp.fc1.*", "blocks.*.mlp.up.*"),
    Name("encoder.layer.*.mlp.fc2.*", "blocks.*.mlp.down.*"),
)

ORIGINAL_VISION_KEYS: tuple[Rule, ...] = (
    Name("embeddings.patch_embedding.*", "stem.*"),
    Name("encoder.layers.*.norm1.*", "blocks.*.norm1.*"),
    Name("encoder.layers.*.norm2.*", "blocks.*.norm2.*"),
    Name("encoder.layers.*.ls1", "blocks.*.scale1.weight"),
    Name("encoder.layers.*.ls2", "blocks.*.scale2.weight"),
    Fused("encoder.layers.*.attn.qkv.*", tuple(f"blocks.*.attention.{part}.*" for part in "qkv"), (1, 1, 1)),
    *(Name(f"encoder.layers.*.attn.{p}_norm.*", f"blocks.*.attention.{p}_across.*") for p in "qk"),
    Name("encoder.layers.*.attn.proj.*", "blocks.*.attention.out.*"),
    Name("encoder.layers.*.mlp.fc1.*", "blocks.*.mlp.up.*"),
    Name("encoder.layers.*.mlp.fc2.*", "blocks.*.mlp.down.*"),
)


def table_keys(cls: str, position: str, width: int) -> tuple[Rule, ...]:
    """Two tables that files hold behind axes of one."""
    return Reshaped(f"embeddings.{cls}", "cls", alone(2)), Reshaped(f"embeddings.{position}", "position.weight", rows(width))


def tower(c: Config, norm: Norm, bias: bool, qk_norm: bool, patch: int, side: int) -> ViT:
    width, heads = c.get("hidden_size", 1024), c.get("num_attention_heads", 16)
    block = Block(
        width, heads, c.get("intermediate_size", 4096), heads, width // heads, norm, c.act("hidden_act", "gelu"),
        qkv_bias=bias, layer_scale=True, qk_across=Norm("rms", 1e-6) if qk_norm else None,
    )  # fmt: skip
    c.only("num_channels", 3)
    return ViT(block, c.get("num_hidden_layers", 24), patch, Table(side // patch), cls="drop")


def square(value: Any) -> int:
    side: int = value if isinstance(value, int) else value[0]
    return side


def read_vision(c: Config) -> Reading:
    kind = "rms" if c.get("norm_type", "layer_norm") == "rms_norm" else "layer"
    c.only("norm_type", "layer_norm", "rms_norm")
    c.only("use_mask_token", False)
    c.only("use_absolute_position_embeddings", True)
    c.only("use_mean_pooling", True)
    c.inert("layer_scale_init_value", "projection_dropout")
    patch, side = square(c.get("patch_size", 14)), square(c.get("image_size", 448))
    norm = Norm("rms" if kind == "rms" else "layer", c.get("layer_norm_eps", 1e-6))
    spec = tower(c, norm, c.get("attention_bias", False), c.get("use_qk_norm", False), patch, side)
    keys = table_keys("cls_token", "position_embeddings", spec.block.width)
    return Reading(spec, (*keys, *VISION_KEYS))


def steps(text: Decoder, act: Activation, side: int) -> tuple[Merge, Normed, Mlp]:
    return Merge(side), Normed(Norm("layer", 1e-5)), Mlp(text.width, text.width, act=act)


def ungrown(data: dict[str, Any]) -> dict[str, Any]:
    """A text config without dynamic rope, which begins past `max_position_embeddings`: no row here is that long."""
    fields = dict(data.get("rope_parameters") or data.get("rope_scaling") or {})
    if (fields.get("rope_type") or fields.get("type")) != "dynamic":
        return data
    plain = {name: value for name, value in data.items() if name not in ("rope_parameters", "rope_scaling")}
    return {**plain, "rope_theta": fields.get("rope_theta") or data.get("rope_theta") or 10000.0}


def read(c: Config) -> Reading:
    c.data = {"vision_config": {}, **c.data, "text_config": ungrown(c.data.get("text_config") or {"model_type": "qwen2"})}
    vision, text = c.part("vision_config", "internvl_vision"), c.part("text_config", "qwen2")
    c.only("vision_feature_layer", -1)
    c.only("vision_feature_select_strategy", "default")
    c.inert("image_seq_length", "vocab_size")
    spec = replace(text.spec, tied=c.get("tie_word_embeddings", True) and text.spec.tied)
    side = round(1 / c.get("downsample_ratio", 0.5))
    # The processor of whole prompts cuts tiles whatever the pictures' own processor says of `crop_to_patches`.
    c.pixels.inert("crop_to_patches", "use_thumbnail")
    c.pixels.only("crop_size", None)
    tile = edges(c.pixels.get("size", {"height": 448, "width": 448}))[0]
    views = DynamicTiles(tile, c.pixels.get("max_patches", 12), c.pixels.get("min_patches", 1))
    connector = steps(spec, c.act("projector_hidden_act", "gelu"), side)
    fusion = Splice(c.get("image_token_id", 151667))
    sight = Sight(views, pixels(c.pixels, MEAN, STD), vision.spec, connector, fusion, MARKS)
    keys = (
        Respelt("model.vision_tower.", "vision_tower."),
        Respelt("model.multi_modal_projector.", "multi_modal_projector."),
        Respelt("model.language_model.", "language_model.model."),
        Respelt("lm_head.", "language_model.lm_head."),
        *under("vision_tower.", "vision.", vision.keys),
        *under("language_model.model.", "language.", text.keys),
        *head_keys("language_model.lm_head.weight", spec.tied),
        Name("multi_modal_projector.layer_norm.*", "connect.steps.1.*"),
        Name("multi_modal_projector.linear_1.*", "connect.steps.2.layers.0.*"),
        Name("multi_modal_projector.linear_2.*", "connect.steps.2.layers.1.*"),
    )
    return Reading(Causal(spec, sight), keys)


# --- the original code's own folders ----------------------------------------------------------------------------------------


def read_original_vision(c: Config) -> Reading:
    kind = c.get("norm_type", "rms_norm")
    c.only("norm_type", "rms_norm", "layer_norm")
    c.inert("drop_path_rate", "initializer_factor", "use_flash_attn", "use_bfloat16")
    norm = Norm("rms" if kind == "rms_norm" else "layer", c.get("layer_norm_eps", 1e-6))
    patch, side = c.get("patch_size", 14), c.get("image_size", 448)
    spec = tower(c, norm, c.get("qkv_bias", False), c.get("qk_normalization", True), patch, side)
    keys = table_keys("class_embedding", "position_embedding", spec.block.width)
    return Reading(spec, (*keys, *ORIGINAL_VISION_KEYS))


def read_original(c: Config) -> Reading:
    c.data = {"vision_config": {}, **c.data, "llm_config": ungrown(c.data.get("llm_config") or {"model_type": "qwen2"})}
    vision, text = c.part("vision_config", "intern_vit_6b"), c.part("llm_config", "qwen2")
    c.only("select_layer", -1)
    c.only("ps_version", "v2")
    c.only("dynamic_image_size", True)
    c.only("use_thumbnail", True)
    c.only("use_backbone_lora", 0)
    c.only("use_llm_lora", 0)
    c.inert("template", "pad2square", "image_fold", "system_message", "hidden_size", "vocab_size")
    tile = c.get("force_image_size", 448)
    views = DynamicTiles(tile, c.get("max_dynamic_patch", 6), c.get("min_dynamic_patch", 1))
    spec = replace(text.spec, tied=c.get("tie_word_embeddings", False) or text.spec.tied)
    connector = steps(spec, "gelu", round(1 / c.get("downsample_ratio", 0.5)))
    fusion = Splice(c.get("img_context_token_id", 151667))
    sight = Sight(views, pixels(c.pixels, MEAN, STD), vision.spec, connector, fusion, MARKS)
    c.pixels.inert("size", "crop_size")
    keys = (
        *under("vision_model.", "vision.", vision.keys),
        *under("language_model.model.", "language.", text.keys),
        *head_keys("language_model.lm_head.weight", spec.tied),
        Name("mlp1.0.*", "connect.steps.1.*"),
        Name("mlp1.1.*", "connect.steps.2.layers.0.*"),
        Name("mlp1.3.*", "connect.steps.2.layers.1.*"),
    )
    return Reading(Causal(spec, sight), keys)


LAYOUTS = (
    Layout("internvl", read),
    Layout("internvl_vision", read_vision),
    Layout("internvl_chat", read_original),
    Layout("intern_vit_6b", read_original_vision),
)

CHAT = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}{{ '<IMG_CONTEXT>\n' }}"
    "{% elif content['type'] == 'text' %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def qwen2(width: int, depth: int, heads: int, kv_heads: int, mlp_width: int, vocab: int, tied: bool = False) -> Decoder:
    block = Block(
        width, heads, mlp_width, kv_heads, width // heads, Norm("rms", 1e-6), "silu", "gated", out_bias=False, mlp_bias=False
    )
    return Decoder(block, depth, vocab, Rope(1000000.0), 32768, tied)


def internvit(width: int, depth: int, heads: int, mlp_width: int, norm: Norm, bias: bool, qk: Norm | None) -> ViT:
    block = Block(width, heads, mlp_width, heads, width // heads, norm, "gelu", qkv_bias=bias, layer_scale=True, qk_across=qk)
    return ViT(block, depth, 14, Table(32), cls="drop")


SMALL = internvit(1024, 24, 16, 4096, Norm("layer", 1e-6), True, None)
LARGE = internvit(3200, 45, 25, 12800, Norm("rms", 1e-6), False, Norm("rms", 1e-6))


def sight(eye: ViT, text: Decoder) -> Sight:
    return Sight(DynamicTiles(448, 12), Pixels(MEAN, STD), eye, steps(text, "gelu", 2), Splice(151667), MARKS)


def sized(eye: ViT, text: Decoder) -> dict[str, Any]:
    return {"decoder": text, "sight": sight(eye, text)}


QWEN_0_5B, QWEN_1_5B = qwen2(896, 24, 14, 2, 4864, 151674), qwen2(1536, 28, 12, 2, 8960, 151674)
QWEN_3B, QWEN_7B = qwen2(2048, 36, 16, 2, 11008, 151674), qwen2(3584, 28, 28, 4, 18944, 151674)
QWEN_14B, QWEN_32B = qwen2(5120, 48, 40, 8, 13824, 151674), qwen2(5120, 64, 40, 8, 27648, 151674)
QWEN_72B = qwen2(8192, 80, 64, 8, 29568, 151674)

FAMILIES = (
    Family(
        name="internvl-2.5",
        title="InternVL 2.5",
        paper="2412.05271",
        year=2024,
        layout="internvl",
        model=Causal(QWEN_0_5B, sight(SMALL, QWEN_0_5B)),
        sizes={
            "1b": {}, "4b": sized(SMALL, QWEN_3B), "38b": sized(LARGE, QWEN_32B), "78b": sized(LARGE, QWEN_72B),
        },
        reference="InternVLForConditionalGeneration",
        chat=CHAT,
    ),
    Family(
        name="internvl-3",
        title="InternVL 3",
        paper="2504.10479",
        year=2025,
        layout="internvl",
        model=Causal(QWEN_0_5B, sight(SMALL, QWEN_0_5B)),
        sizes={
            "1b": {}, "2b": sized(SMALL, QWEN_1_5B), "8b": sized(SMALL, QWEN_7B), "14b": sized(SMALL, QWEN_14B),
            "38b": sized(LARGE, QWEN_32B), "78b": sized(LARGE, QWEN_72B),
        },
        reference="InternVLForConditionalGeneration",
        chat=CHAT,
    ),
)  # fmt: skip
