"""InternVL 2 (arXiv:2404.16821) and the original code's own folders of every InternVL since."""

from dataclasses import replace

from chiasm.layout import Config, Fused, Layout, Name, Reading, Rule, under
from chiasm.readers import head_keys, longrope_louder, pixels
from chiasm.spec import Causal, Decoder, DynamicTiles, Family, LongRope, Norm, Rope, Sight, Splice
from chiasm.towers.decoders import llama_like, qwen2
from chiasm.towers.internvl import (
    INTERNLM_2B,
    INTERNLM_7B,
    INTERNLM_20B,
    LARGE,
    MARKS,
    MEAN,
    SMALL,
    STD,
    placeholder,
    sight,
    sized,
    steps,
    table_keys,
    tower,
    ungrown,
)

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
    return Reading(Causal(spec, sight), keys, chat=TEMPLATES.get(c.data.get("template") or ""))


LAYOUTS = (Layout("internvl_chat", read), Layout("intern_vit_6b", read_vision))

LONG = (
    1.0299999713897705, 1.0499999523162842, 1.0499999523162842, 1.0799999237060547, 1.2299998998641968, 1.2299998998641968,
    1.2999999523162842, 1.4499999284744263, 1.5999999046325684, 1.6499998569488525, 1.8999998569488525, 2.859999895095825,
    3.68999981880188, 5.419999599456787, 5.489999771118164, 5.489999771118164, 9.09000015258789, 11.579999923706055,
    15.65999984741211, 15.769999504089355, 15.789999961853027, 18.360000610351562, 21.989999771118164, 23.079999923706055,
    30.009998321533203, 32.35000228881836, 32.590003967285156, 35.56000518798828, 39.95000457763672, 53.840003967285156,
    56.20000457763672, 57.95000457763672, 59.29000473022461, 59.77000427246094, 59.920005798339844, 61.190006256103516,
    61.96000671386719, 62.50000762939453, 63.3700065612793, 63.48000717163086, 63.48000717163086, 63.66000747680664,
    63.850006103515625, 64.08000946044922, 64.760009765625, 64.80001068115234, 64.81001281738281, 64.81001281738281,
)  # fmt: skip
SHORT = (
    1.05, 1.05, 1.05, 1.1, 1.1, 1.1500000000000001, 1.2000000000000002, 1.2500000000000002, 1.3000000000000003,
    1.3500000000000003, 1.5000000000000004, *(2.000000000000001,) * 21, *(2.0500000000000007,) * 3,
    *(2.1000000000000005,) * 3, *(2.1500000000000004,) * 2, 2.3499999999999996, 2.549999999999999,
    *(2.5999999999999988,) * 2, 2.7499999999999982, *(2.849999999999998,) * 2, 2.9499999999999975,
)  # fmt: skip
"""Of Phi-3-mini's long form, which reaches 131072 positions from 4096."""

PHI_3 = Decoder(
    llama_like(3072, 32, 32, 8192, eps=1e-5), 32, 32020,
    Rope(10000.0, LongRope(SHORT, LONG, longrope_louder(32, 4096), 4096)), 131072, window=262144,
)  # fmt: skip
YI = Decoder(llama_like(7168, 56, 8, 20480, eps=1e-5), 60, 64009, Rope(5000000.0), 4096)
LLAMA_3 = Decoder(llama_like(8192, 64, 8, 28672, eps=1e-5), 80, 128265, Rope(500000.0), 8192)
QWEN = qwen2(896, 24, 14, 2, 4864, 151655)

FAMILIES = (
    Family(
        name="internvl-2",
        title="InternVL 2",
        paper="2404.16821",
        year=2024,
        layout="internvl_chat",
        model=Causal(QWEN, sight(SMALL, QWEN)),
        sizes={
            "1b": {}, "2b": sized(SMALL, INTERNLM_2B), "4b": sized(SMALL, PHI_3), "8b": sized(SMALL, INTERNLM_7B),
            "26b": sized(LARGE, INTERNLM_20B), "40b": sized(LARGE, YI), "76b": sized(LARGE, LLAMA_3),
        },
        reference="InternVLForConditionalGeneration",
        proof="reduction",
        chat=TEMPLATES["Hermes-2"],
    ),
)  # fmt: skip
