"""Qwen2-VL (arXiv:2409.12191) and Qwen2.5-VL (arXiv:2502.13923): native resolution, rotary eyes, 2x2 merging, M-RoPE."""

from dataclasses import replace
from typing import Any

from chiasm.layout import Config, Fused, Layout, Name, Reading, Respelt, Rule, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, decoder, head_keys, pixels, taken
from chiasm.spec import (
    Axial,
    Block,
    Causal,
    Decoder,
    Family,
    Frames,
    Merge,
    Mlp,
    Native,
    Norm,
    Normed,
    PerSecond,
    Pixels,
    Rope,
    Sight,
    Splice,
    ViT,
    Windows,
    Written,
)

ATTENTION_KEYS: tuple[Rule, ...] = (
    Name("patch_embed.proj.weight", "stem.weight"),
    Name("blocks.*.norm1.*", "blocks.*.norm1.*"),
    Name("blocks.*.norm2.*", "blocks.*.norm2.*"),
    Fused("blocks.*.attn.qkv.*", tuple(f"blocks.*.attention.{part}.*" for part in "qkv"), (1, 1, 1)),
    Name("blocks.*.attn.proj.*", "blocks.*.attention.out.*"),
)
PLAIN_KEYS: tuple[Rule, ...] = (
    *ATTENTION_KEYS,
    Name("blocks.*.mlp.fc1.*", "blocks.*.mlp.up.*"),
    Name("blocks.*.mlp.fc2.*", "blocks.*.mlp.down.*"),
)
GATED_KEYS: tuple[Rule, ...] = (
    *ATTENTION_KEYS,
    *(Name(f"blocks.*.mlp.{part}_proj.*", f"blocks.*.mlp.{part}.*") for part in ("gate", "up", "down")),
)


def axial(c: Config) -> Axial:
    return Axial(float((c.get("rope_parameters", None) or {}).get("rope_theta", 10000.0)))


def tower(c: Config, block: Block, windows: Windows | None = None) -> ViT:
    c.first("in_channels", "in_chans", default=3)
    c.inert("spatial_patch_size", "spatial_merge_size")
    return ViT(
        block, c.get("depth", 32), c.get("patch_size", 14), axial(c), frames=c.get("temporal_patch_size", 2),
        stem_bias=False, windows=windows,
    )  # fmt: skip


def read_vision_2(c: Config) -> Reading:
    width, heads = c.get("embed_dim", 1280), c.get("num_heads", 16)
    act = c.act("hidden_act", "quick_gelu")
    c.inert("hidden_size")
    block = Block(width, heads, int(width * c.get("mlp_ratio", 4)), heads, width // heads, Norm("layer", 1e-6), act)
    return Reading(tower(c, block), PLAIN_KEYS)


def read_vision_2_5(c: Config) -> Reading:
    width, heads = c.get("hidden_size", 3584), c.get("num_heads", 16)
    act, hidden = c.act("hidden_act", "silu"), c.get("intermediate_size", 3420)
    c.inert("out_hidden_size", "tokens_per_second")
    block = Block(width, heads, hidden, heads, width // heads, Norm("rms", 1e-6), act, "gated")
    patch, merge = c.get("patch_size", 14), c.get("spatial_merge_size", 2)
    side = c.get("window_size", 112) // merge // patch * merge
    windows = Windows(side, tuple(c.get("fullatt_block_indexes", (7, 15, 23, 31))))
    return Reading(tower(c, block, windows), GATED_KEYS)


def read_text(c: Config) -> Reading:
    c.data = {"vocab_size": 152064, "hidden_size": 8192, "intermediate_size": 29568, "num_hidden_layers": 80,
              "num_attention_heads": 64, "num_key_value_heads": 8, **c.data}  # fmt: skip
    c.only("use_sliding_window", False)
    c.inert("sliding_window", "layer_types")
    return decoder(c, context=32768, eps=1e-5, theta=1000000.0, qkv_bias=True)


def read(c: Config, vision_type: str, text_type: str, time: float | None) -> Reading:
    vision = c.part("vision_config", vision_type)
    merge = c.nested[0].get("spatial_merge_size", 2)
    text = c.part("text_config", text_type) if "text_config" in c.data else c.flat(text_type)
    spec = replace(text.spec, tied=c.get("tie_word_embeddings", False) or text.spec.tied)
    c.inert("vision_start_token_id", "vision_end_token_id", "vision_token_id", "vision_config")
    size = c.pixels.get("size", None) or {}
    least = c.pixels.first("min_pixels", default=size.get("shortest_edge", size.get("min_pixels", 56 * 56)))
    most = c.pixels.first("max_pixels", default=size.get("longest_edge", size.get("max_pixels", 28 * 28 * 1280)))
    c.pixels.only("merge_size", merge)
    c.pixels.only("patch_size", vision.spec.patch)
    c.pixels.only("temporal_patch_size", vision.spec.frames)
    width, norm = vision.spec.block.width, vision.spec.block.norm
    steps = (Normed(norm), Merge(merge), Mlp(spec.width, width * merge * merge))
    fusion = Splice(c.get("image_token_id", 151655), c.get("video_token_id", 151656), time)
    views = Native(vision.spec.patch * merge, least, most)
    look, clips = pixels(c.pixels, CLIP_MEAN, CLIP_STD), frames(c.clips, vision.spec, merge)
    sight = Sight(views, look, vision.spec, steps, fusion, clips=clips)
    keys = (
        Respelt("model.language_model.", "model."),
        Respelt("model.visual.", "visual."),
        *under("visual.", "vision.", vision.keys),
        *under("visual.merger.", "connect.", MERGER_KEYS),
        *under("model.", "language.", text.keys),
        *head_keys("lm_head.weight", spec.tied),
    )
    return Reading(Causal(spec, sight), keys)


def frames(c: Config, eye: ViT, merge: int) -> Frames:
    """Clips as the published processor of videos has them; where a folder has settings of pictures alone, these hold."""
    c.only("merge_size", merge)
    c.only("patch_size", eye.patch)
    c.only("temporal_patch_size", eye.frames)
    size = c.get("size", None) or {}
    least = c.first("min_pixels", default=size.get("shortest_edge", size.get("min_pixels", LEAST)))
    most = c.first("max_pixels", default=size.get("longest_edge", size.get("max_pixels", MOST)))
    published = PerSecond(2.0, c.get("min_frames", 4), c.get("max_frames", 768), eye.frames)
    tokens = c.get("max_video_tokens", 128000)
    side = eye.patch * merge
    shared = int(tokens * side * side * 0.9) if c.get("cap_pixels_per_frame", None) else None
    seen = Native(side, least, most)
    return Frames(taken(c, published), seen, pixels(c, CLIP_MEAN, CLIP_STD), published.most, shared)


LEAST, MOST = 128 * 28 * 28, 768 * 28 * 28
"""Pixels of a frame by the published processor of videos: 128 to 768 tokens for two of them."""

MERGER_KEYS: tuple[Rule, ...] = (
    Name("ln_q.*", "steps.0.*"),
    Name("mlp.0.*", "steps.2.layers.0.*"),
    Name("mlp.2.*", "steps.2.layers.1.*"),
)


def read_2(c: Config) -> Reading:
    return read(c, "qwen2_vl_vision", "qwen2_vl_text", None)


def read_2_5(c: Config) -> Reading:
    """Qwen2.5-VL's time axis runs in `tokens_per_second` steps a second."""
    rate = (c.data.get("vision_config") or {}).get("tokens_per_second", 4)
    return read(c, "qwen2_5_vl_vision", "qwen2_5_vl_text", float(rate))


LAYOUTS = (
    Layout("qwen2_vl", read_2),
    Layout("qwen2_vl_vision", read_vision_2),
    Layout("qwen2_vl_text", read_text),
    Layout("qwen2_5_vl", read_2_5),
    Layout("qwen2_5_vl_vision", read_vision_2_5),
    Layout("qwen2_5_vl_text", read_text),
)

CHAT = (
    "{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}"
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}"
    "{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "{% set image_count.value = image_count.value + 1 %}"
    "{% if add_vision_id %}Picture {{ image_count.value }}: {% endif %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif content['type'] == 'video' or 'video' in content %}"
    "{% set video_count.value = video_count.value + 1 %}"
    "{% if add_vision_id %}Video {{ video_count.value }}: {% endif %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def qwen_decoder(
    width: int, depth: int, heads: int, kv_heads: int, mlp_width: int, vocab: int, context: int, tied: bool = False
) -> Decoder:
    block = Block(
        width,
        heads,
        mlp_width,
        kv_heads,
        width // heads,
        Norm("rms", 1e-6),
        "silu",
        "gated",
        out_bias=False,
        mlp_bias=False,
    )
    return Decoder(block, depth, vocab, Rope(1000000.0, sections=(16, 24, 24)), context, tied)


def qwen_sight(encoder: ViT, width: int, time: float | None) -> Sight:
    steps = (Normed(encoder.block.norm), Merge(2), Mlp(width, encoder.block.width * 4))
    views, look = Native(28, 56 * 56, 12845056), Pixels(CLIP_MEAN, CLIP_STD)
    # The published folders have settings of pictures alone, so these hold for clips.
    clips = Frames(PerSecond(2.0, 4, 768, 2), views, look, 768)
    return Sight(views, look, encoder, steps, Splice(151655, 151656, time), clips=clips)


EYE_2 = ViT(Block(1280, 16, 5120, 16, 80, Norm("layer", 1e-6), "quick_gelu"), 32, 14, Axial(), frames=2, stem_bias=False)
EYE_2_5 = ViT(
    Block(1280, 16, 3420, 16, 80, Norm("rms", 1e-6), "silu", "gated"), 32, 14, Axial(), frames=2, stem_bias=False,
    windows=Windows(8, (7, 15, 23, 31)),
)  # fmt: skip
EYE_2_5_72B = replace(EYE_2_5, block=replace(EYE_2_5.block, mlp_width=3456))


def sized(eye: ViT, text: Decoder, time: float | None = None) -> dict[str, Any]:
    return {"decoder": text, "sight": qwen_sight(eye, text.width, time)}


NUMBERS = Written("Picture {number}: ", source="the published template, told add_vision_id")

FAMILIES = (
    Family(
        name="qwen2-vl",
        title="Qwen2-VL",
        paper="2409.12191",
        year=2024,
        layout="qwen2_vl",
        model=Causal(qwen_decoder(1536, 28, 12, 2, 8960, 151936, 32768, True), qwen_sight(EYE_2, 1536, None)),
        sizes={
            "2b": {},
            "7b": sized(EYE_2, qwen_decoder(3584, 28, 28, 4, 18944, 152064, 32768)),
            "72b": sized(EYE_2, qwen_decoder(8192, 80, 64, 8, 29568, 152064, 32768)),
        },
        reference="Qwen2VLForConditionalGeneration",
        chat=CHAT,
        numbers=NUMBERS,
    ),
    Family(
        name="qwen2.5-vl",
        title="Qwen2.5-VL",
        paper="2502.13923",
        year=2025,
        layout="qwen2_5_vl",
        model=Causal(qwen_decoder(2048, 36, 16, 2, 11008, 151936, 128000, True), qwen_sight(EYE_2_5, 2048, 2.0)),
        sizes={
            "3b": {},
            "7b": sized(EYE_2_5, qwen_decoder(3584, 28, 28, 4, 18944, 152064, 128000), 2.0),
            "72b": sized(EYE_2_5_72B, qwen_decoder(8192, 80, 64, 8, 29568, 152064, 128000), 2.0),
        },
        reference="Qwen2_5_VLForConditionalGeneration",
        chat=CHAT,
        numbers=NUMBERS,
    ),
)
