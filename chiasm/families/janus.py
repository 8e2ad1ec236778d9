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
    Activation,
    Around,
    Block,
    Carried,
    Causal,
    Decoder,
    Family,
    Letterbox,
    Mlp,
    Norm,
    Pixels,
    Rope,
    Sight,
    Splice,
    Table,
    ViT,
)
from chiasm.towers.codes import Tensors, carried, linear, tokenizer
from chiasm.towers.decoders import llama_like

MARKS = Around("<begin_of_image>", "<end_of_image>")

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


def drawing(
    widths: tuple[int, ...], blocks: int, latent: int, codes: int, code_width: int, width: int, text_width: int, depth: int
) -> Carried:
    around: Tensors = [("generation_embeddings.weight", (codes, code_width))]
    around += linear("generation_aligner.fc1", code_width, width)
    for number in range(depth - 1):
        around += linear(f"generation_aligner.hidden_layers.{number}", width, width)
    around += [*linear("generation_head.proj_out", text_width, width), *linear("generation_head.vision_head", width, codes)]
    return carried(("vqmodel.", tokenizer(widths, blocks, latent, codes, code_width)), ("", around))


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


def aligner(decoder: Decoder, depth: int, act: Activation) -> tuple[Mlp]:
    return (Mlp(decoder.width, decoder.width, depth=depth, act=act),)


LAYOUTS = (Layout("janus", read), Layout("janus_vision_model", read_vision), Layout("janus_vqgan", read_drawing))

CHAT = (
    "{% for message in messages %}{% set user = message['role'] == 'user' %}"
    "{% set named = {'user': '<|User|>', 'assistant': '<|Assistant|>'} %}"
    "{{ named.get(message['role'], message['role'].capitalize()) + ': ' }}"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}"
    "{% if not loop.first %}{{ '\n' }}{% endif %}{{ '<image_placeholder>' }}{% if not loop.last %}{{ '\n' }}{% endif %}"
    "{% else %}{% set text = content['text'] %}"
    "{% if loop.first %}{% set text = text.lstrip() %}{% endif %}{% if loop.last %}{% set text = text.rstrip() %}{% endif %}"
    "{{ ' ' if not loop.first and loop.previtem['type'] == 'text' else '' }}{{ text }}{% endif %}{% endfor %}"
    "{% if not loop.last or add_generation_prompt %}"
    "{{ '\n\n' if user else '<\uff5cend\u2581of\u2581sentence\uff5c>' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|Assistant|>:' }}{% endif %}"
)

SIGLIP_L = ViT(Block(1024, 16, 4096, 16, 64, Norm("layer", 1e-6), "gelu"), 24, 16, Table(24), post_norm="applied")
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
