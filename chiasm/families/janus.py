"""Janus and Janus-Pro (arXiv:2410.13848, 2501.17811): SigLIP for seeing, a tokenizer of pictures for drawing, one Llama.

Only seeing is computed: the drawing half (tokenizer, its own embedding, aligner and head) is carried from file to file, so
that counts agree and nothing is lost, and read by nothing.
"""

from dataclasses import replace
from typing import Any

from chiasm.errors import BadConfig
from chiasm.layout import Config, Layout, Name, Reading, Rule, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, HALF, VIT_KEYS, head_keys, letterbox, pixels
from chiasm.spec import (
    Block,
    Causal,
    Decoder,
    Family,
    Letterbox,
    Norm,
    Pixels,
    Rope,
    Sight,
    Splice,
    Table,
    ViT,
)
from chiasm.towers.decoders import llama_like
from chiasm.towers.deepseek import SIGLIP_L
from chiasm.towers.janus import CHAT, MARKS, aligner, drawing

VISION_KEYS: tuple[Rule, ...] = (
    *(rule for rule in VIT_KEYS if not (isinstance(rule, Name) and "out_proj" in rule.theirs)),
    Name("encoder.layers.*.self_attn.projection_layer.*", "blocks.*.attention.out.*"),
)


def read_vision(c: Config) -> Reading:
    width, heads = c.get("hidden_size", 1024), c.get("num_attention_heads", 16)
    c.only("num_channels", 3)
    # What the published class does with these norms does not run: they are as wide as all heads, and meet one.
    c.only("use_qk_norm", False)
    c.inert("hidden_dropout_rate", "projection_dropout", "num_image_tokens", "projection_dim", "depth")
    block = Block(
        width, heads, int(width * c.get("mlp_ratio", 4.0)), heads, width // heads, Norm("layer", c.get("layer_norm_eps", 1e-6)),
        c.act("hidden_act", "gelu"), qkv_bias=c.get("attention_bias", True),
    )  # fmt: skip
    patch = c.get("patch_size", 16)
    table = Table(c.get("image_size", 384) // patch)
    return Reading(ViT(block, c.get("num_hidden_layers", 24), patch, table, post_norm="applied"), VISION_KEYS)


def read_drawing(c: Config) -> Reading:
    """The tokenizer and what stands around it, as tensors that are carried."""
    c.only("double_latent", False)
    c.only("in_channels", 3)
    c.only("out_channels", 3)
    c.inert("dropout", "num_patches", "hidden_act")
    stem, times = c.get("base_channels", 128), c.get("channel_multiplier", (1, 1, 2, 2, 4))
    spec = drawing(
        (stem, *(stem * factor for factor in times)), c.get("num_res_blocks", 2), c.get("latent_channels", 256),
        c.get("num_embeddings", 16384), c.get("embed_dim", 8), c.get("projection_dim", 2048),
        c.get("image_token_embed_dim", 2048), c.get("num_hidden_layers", 2),
    )  # fmt: skip
    return Reading(spec, ())


def read(c: Config) -> Reading:
    c.data = {
        "vision_config": {},
        "vq_config": {},
        **c.data,
        "text_config": c.data.get("text_config") or {"model_type": "llama"},
    }
    vision, text, other = (
        c.part("vision_config", "janus_vision_model"), c.part("text_config", "llama"), c.part("vq_config", "janus_vqgan"),
    )  # fmt: skip
    decoder = replace(text.spec, tied=c.get("tie_word_embeddings", True) and text.spec.tied)
    eye: dict[str, Any] = c.data["vision_config"]
    width, depth = eye.get("projection_dim", 2048), eye.get("depth", 2)
    if width != decoder.width:
        raise BadConfig(
            f"{c.path}: projection_dim = {width} is not supported; the text model's hidden_size, {decoder.width}, is"
        )
    fusion = Splice(c.get("image_token_id", 100581))
    sight = Sight(
        letterbox(c.pixels), pixels(c.pixels, CLIP_MEAN, CLIP_STD), vision.spec, aligner(decoder, depth, vision.spec.block.act),
        fusion, MARKS,
        other.spec,
    )  # fmt: skip
    keys = (
        *under("model.vision_model.", "vision.", vision.keys),
        *under("model.language_model.", "language.", text.keys),
        *head_keys("lm_head.weight", decoder.tied),
        Name("model.aligner.fc1.*", "connect.steps.0.layers.0.*"),
        *(
            Name(f"model.aligner.hidden_layers.{number}.*", f"connect.steps.0.layers.{number + 1}.*")
            for number in range(depth - 1)
        ),
        Name("model.vqmodel.**", "carried.vqmodel.**"),
        Name("model.generation_**", "carried.generation_**"),
    )
    return Reading(Causal(decoder, sight), keys)


LAYOUTS = (Layout("janus", read), Layout("janus_vision_model", read_vision), Layout("janus_vqgan", read_drawing))

TEXT_1B = Decoder(llama_like(2048, 16, 16, 5632), 24, 102400, Rope(10000.0), 16384)
TEXT_7B = Decoder(llama_like(4096, 32, 32, 11008), 30, 102400, Rope(10000.0), 16384)


def sight(decoder: Decoder) -> Sight:
    drawn = drawing((128, 128, 128, 256, 256, 512), 2, 256, 16384, 8, decoder.width, decoder.width, 2)
    return Sight(Letterbox(384), Pixels(HALF, HALF), SIGLIP_L, aligner(decoder, 2, "gelu"), Splice(100581), MARKS, drawn)


FAMILIES = (
    Family(
        name="janus-pro",
        title="Janus-Pro",
        paper="2501.17811",
        year=2025,
        layout="janus",
        model=Causal(TEXT_1B, sight(TEXT_1B)),
        sizes={"1b": {}, "7b": {"decoder": TEXT_7B, "sight": sight(TEXT_7B)}},
        reference="JanusForConditionalGeneration",
        chat=CHAT,
    ),
)
