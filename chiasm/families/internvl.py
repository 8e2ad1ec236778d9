"""InternVL 2.5 and 3 (arXiv:2412.05271, 2504.10479) in the ecosystem's form: tiles, InternViT, pixel shuffle, an MLP."""

from dataclasses import replace
from typing import Any

from chiasm.layout import Config, Layout, Name, Reading, Respelt, Rule, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, edges, head_keys, pixels
from chiasm.spec import Causal, DynamicTiles, Family, Norm, Sight, Splice
from chiasm.towers.decoders import qwen2
from chiasm.towers.internvl import (
    INTERNLM_2B,
    INTERNLM_7B,
    INTERNLM_20B,
    LARGE,
    MARKS,
    MEAN,
    NUMBERS,
    SMALL,
    STD,
    sight,
    sized,
    steps,
    table_keys,
    tower,
    ungrown,
)

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


def read(c: Config) -> Reading:
    c.data = {"vision_config": {}, **c.data, "text_config": ungrown(c.data.get("text_config") or {"model_type": "qwen2"})}
    vision, text = c.part("vision_config", "internvl_vision"), c.part("text_config", "qwen2")
    c.only("vision_feature_layer", -1)
    c.only("vision_feature_select_strategy", "default")
    c.inert("image_seq_length", "vocab_size")
    spec = replace(text.spec, tied=c.get("tie_word_embeddings", True) and text.spec.tied)
    merged = round(1 / c.get("downsample_ratio", 0.5))
    # The processor of whole prompts cuts tiles whatever the pictures' own processor says of `crop_to_patches`.
    c.pixels.inert("crop_to_patches", "use_thumbnail")
    c.pixels.only("crop_size", None)
    side = c.pixels.default(384, 448)
    tile = edges(c.pixels.get("size", {"height": side, "width": side}))[0]
    look = pixels(c.pixels, *c.pixels.default((CLIP_MEAN, CLIP_STD), (MEAN, STD)))
    views = DynamicTiles(tile, c.pixels.get("max_patches", 12), c.pixels.get("min_patches", 1))
    connector = steps(spec, c.act("projector_hidden_act", "gelu"), merged)
    fusion = Splice(c.get("image_token_id", 151667))
    sight = Sight(views, look, vision.spec, connector, fusion, MARKS)
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


LAYOUTS = (Layout("internvl", read), Layout("internvl_vision", read_vision))

CHAT = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}{{ '<IMG_CONTEXT>\n' }}"
    "{% elif content['type'] == 'text' %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


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
            "1b": {}, "2b": sized(SMALL, INTERNLM_2B), "4b": sized(SMALL, QWEN_3B), "8b": sized(SMALL, INTERNLM_7B),
            "26b": sized(LARGE, INTERNLM_20B), "38b": sized(LARGE, QWEN_32B), "78b": sized(LARGE, QWEN_72B),
        },
        reference="InternVLForConditionalGeneration",
        chat=CHAT,
        numbers=NUMBERS,
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
        numbers=NUMBERS,
    ),
)  # fmt: skip
