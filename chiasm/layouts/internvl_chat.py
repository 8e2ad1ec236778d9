"""Folders of InternVL 2, or with it as a part: fields of the config, names of the tensors."""

from dataclasses import replace

from chiasm.layout import Config, Fused, Layout, Name, Reading, Rule, Spoken, under
from chiasm.readers import head_keys, pixels
from chiasm.spec import Causal, DynamicTiles, Norm, Sight, Splice
from chiasm.towers.internvl import MARKS, MEAN, STD, placeholder, steps, table_keys, tower, ungrown

VISION_DEFAULTS = {
    "hidden_size": 3200, "num_attention_heads": 25, "intermediate_size": 12800, "num_hidden_layers": 48,
}  # fmt: skip

VISION_KEYS: tuple[Rule, ...] = (
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


def read_vision(c: Config) -> Reading:
    c.data = {**VISION_DEFAULTS, **c.data}
    kind = c.get("norm_type", "rms_norm")
    c.only("norm_type", "rms_norm", "layer_norm")
    c.inert("drop_path_rate", "initializer_factor", "use_flash_attn", "use_bfloat16")
    norm = Norm("rms" if kind == "rms_norm" else "layer", c.get("layer_norm_eps", 1e-6))
    patch, side = c.get("patch_size", 14), c.get("image_size", 224)
    spec = tower(c, norm, c.get("qkv_bias", False), c.get("qk_normalization", True), patch, side)
    keys = table_keys("class_embedding", "position_embedding", spec.block.width)
    return Reading(spec, (*keys, *VISION_KEYS))


SAID = (
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}{{ '<IMG_CONTEXT>\n' }}{% else %}{{ content['text'] }}{% endif %}"
    "{% endfor %}{% endif %}"
)


def conversation(told: str, system: str, user: str, assistant: str, end: str) -> str:
    """A template of turns between marks; `told` is what the model is told where nobody tells it anything."""
    begins = {"system": system, "user": user, "assistant": assistant}
    return (
        f"{{% if messages[0]['role'] != 'system' %}}{{{{ {system + told + end!r} }}}}{{% endif %}}"
        f"{{% for message in messages %}}{{{{ {begins!r}[message['role']] }}}}{SAID}{{{{ {end!r} }}}}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{{{{ {assistant!r} }}}}{{% endif %}}"
    )


SECOND = "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。"

LATER = "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"

CHATML = ("<|im_start|>system\n", "<|im_start|>user\n", "<|im_start|>assistant\n")

TEMPLATES = {
    "internvl2_5": conversation(LATER, *CHATML, "<|im_end|>\n"),
    "internlm2-chat": conversation(SECOND, *CHATML, "<|im_end|>"),
    "Hermes-2": conversation(SECOND, *CHATML, "<|im_end|>"),
    "phi3-chat": conversation(SECOND, "<|system|>\n", "<|user|>\n", "<|assistant|>\n", "<|end|>"),
}
"""By the name that a config gives its own."""


def read(c: Config) -> Reading:
    c.data = {"vision_config": {}, **c.data, "llm_config": ungrown(c.data.get("llm_config") or {"model_type": "qwen2"})}
    vision, text = c.part("vision_config", "intern_vit_6b"), c.part("llm_config", "qwen2")
    c.only("select_layer", -1)
    c.only("ps_version", "v2")
    c.only("dynamic_image_size", True)
    c.only("use_thumbnail", True)
    c.only("use_backbone_lora", 0)
    c.only("use_llm_lora", 0)
    c.only("template", *TEMPLATES)
    c.inert("pad2square", "image_fold", "system_message", "hidden_size", "vocab_size")
    tile = c.get("force_image_size", 448)
    views = DynamicTiles(tile, c.get("max_dynamic_patch", 6), c.get("min_dynamic_patch", 1))
    spec = replace(text.spec, tied=c.get("tie_word_embeddings", False) or text.spec.tied)
    connector = steps(spec, "gelu", round(1 / c.get("downsample_ratio", 0.5)))
    fusion = Splice(c.get("img_context_token_id", placeholder(spec)))
    sight = Sight(views, pixels(c.pixels, MEAN, STD), vision.spec, connector, fusion, MARKS)
    c.pixels.inert("size", "crop_size")
    keys = (
        *under("vision_model.", "vision.", vision.keys),
        *under("language_model.model.", "language.", text.keys),
        *head_keys(f"language_model.{text.head}", spec.tied),
        Name("mlp1.0.*", "connect.steps.1.*"),
        Name("mlp1.1.*", "connect.steps.2.layers.0.*"),
        Name("mlp1.3.*", "connect.steps.2.layers.1.*"),
    )
    untold = Spoken(None, "its config.json has no `template`")
    return Reading(Causal(spec, sight), keys, chat=TEMPLATES.get(c.data.get("template") or ""), spoken=untold)


LAYOUTS = (Layout("internvl_chat", read), Layout("intern_vit_6b", read_vision))
