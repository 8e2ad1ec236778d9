"""Idefics (arXiv:2306.16527): Flamingo's recipe on open parts: a CLIP tower, a perceiver, gated blocks between a Llama's."""

from dataclasses import replace
from typing import Any

from chiasm.layout import Config, Ignored, Layout, Name, Reading, Reshaped, Rule, alone, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, DECODER_KEYS, VIT_KEYS, decoder, edges, pixels
from chiasm.spec import (
    Block,
    Causal,
    Cross,
    Decoder,
    Edges,
    Family,
    Norm,
    Nothing,
    Pixels,
    Resampler,
    Resize,
    Rope,
    Sight,
    Table,
    ViT,
)
from chiasm.towers.crossed import perceiver
from chiasm.towers.decoders import llama_like

MARKS = Edges("<fake_token_around_image>", gap="")

PERCEIVER_KEYS: tuple[Rule, ...] = (
    Name("latents", "queries"),
    Name("blocks.*.0.latents_layer_norm.*", "blocks.*.norm1.*"),
    Name("blocks.*.0.context_layer_norm.*", "blocks.*.context_norm.*"),
    *(Name(f"blocks.*.0.{p}_layer_norm.*", f"blocks.*.{p}_norm.*") for p in "qk"),
    *(Name(f"blocks.*.0.{p}_proj.weight", f"blocks.*.{p}.weight") for p in "qkv"),
    Name("blocks.*.0.output_proj.weight", "blocks.*.out.weight"),
    Name("blocks.*.1.ln.*", "blocks.*.norm2.*"),
    Name("blocks.*.1.fc.weight", "blocks.*.mlp.up.weight"),
    Name("blocks.*.1.c_proj.weight", "blocks.*.mlp.down.weight"),
    Name("layer_norm.*", "norm.*"),
)

GATED_KEYS: tuple[Rule, ...] = (
    Name("*.input_layernorm.weight", "*.norm1.weight"),
    Name("*.post_attention_layernorm.weight", "*.norm2.weight"),
    *(Name(f"*.cross_attn.{p}_proj.weight", f"*.cross.{p}.weight") for p in "qkv"),
    Name("*.cross_attn.o_proj.weight", "*.cross.out.weight"),
    *(Name(f"*.cross_attn.{p}_layer_norm.weight", f"*.cross.{p}_norm.weight") for p in "qk"),
    *(Name(f"*.mlp.{p}_proj.weight", f"*.mlp.{p}.weight") for p in ("gate", "up", "down")),
    Ignored("*.cross_attn.rotary_emb.inv_freq"),
)


def read_vision(c: Config) -> ViT:
    width, heads = c.first("embed_dim", "hidden_size", default=768), c.get("num_attention_heads", 16)
    norm, patch = Norm("layer", c.get("layer_norm_eps", 1e-5)), c.get("patch_size", 14)
    block = Block(width, heads, c.get("intermediate_size", 5120), heads, width // heads, norm, c.act("hidden_act", "gelu"))
    c.only("num_channels", 3)
    c.inert("vision_model_name", "model_type")
    return ViT(
        block, c.get("num_hidden_layers", 32), patch, Table(c.get("image_size", 224) // patch), stem_bias=False, cls="keep",
        pre_norm=True, post_norm="idle",
    )  # fmt: skip


def read_perceiver(c: Config, width: int) -> Resampler:
    block = perceiver(width, c.get("resampler_n_heads", 16), c.get("resampler_head_dim", 96), 4 * width, "relu")
    if c.get("qk_layer_norms_perceiver", False):
        block = replace(block, qk_norm=block.norm)
    c.inert("use_resampler")
    return Resampler(block, c.get("resampler_depth", 6), c.get("resampler_n_latents", 64))


def read(c: Config) -> Reading:
    c.data = {"vision_config": {}, "perceiver_config": {}, **c.data}
    eye, reader = read_vision(c.nest("vision_config")), c.nest("perceiver_config")
    text = decoder(c, context=2048, eps=1e-6).spec
    spec = replace(text, more=c.get("additional_vocab_size", 0))
    norm = text.block.norm if c.get("qk_layer_norms", False) else None
    step, ends = c.get("cross_layer_interval", 1), c.get("eos_token_id", 2)
    c.only("alpha_type", "float", "vector")
    c.inert(
        "alpha_initializer", "alphas_initializer_range", "freeze_lm_head", "freeze_text_layers", "max_new_tokens",
        "freeze_text_module_exceptions", "freeze_vision_layers", "freeze_vision_module_exceptions", "word_embed_proj_dim",
        "cross_layer_activation_function", "ffn_dim",
    )  # fmt: skip
    gates = c.get("alpha_type", "float")
    fusion = Cross(
        # The two first additional ids are the mark around a picture and the picture; no config names them.
        text.vocab + 1, replace(text.block, qk_norm=norm), tuple(range(0, text.depth, step)), "latest", Nothing(),
        "channel" if gates == "vector" else "one", ends if isinstance(ends, int) else None,
    )  # fmt: skip
    connector = (read_perceiver(reader, eye.width),) if c.get("use_resampler", False) else ()
    for name in () if connector else ("resampler_n_latents", "resampler_depth", "resampler_n_heads", "resampler_head_dim"):
        reader.inert(name)
    reader.inert("qk_layer_norms_perceiver", "use_resampler")
    side = c.pixels.first("image_size", "size", default=224)
    c.pixels.inert("image_num_channels", "size")
    look = pixels(c.pixels, CLIP_MEAN, CLIP_STD)
    sight = Sight(Resize(*edges(side), "squash"), look, eye, connector, fusion, MARKS)
    return Reading(Causal(spec, sight), keys(spec, fusion))


def keys(spec: Decoder, fusion: Cross) -> tuple[Rule, ...]:
    gated = "model.gated_cross_attn_layers."
    names = {"alpha_cross_attn": "gate1.weight", "alpha_dense": "gate2.weight"}
    more = Name("lm_head.additional_fc.weight", "head.more.weight")
    return (
        *under("model.vision_model.", "vision.", VIT_KEYS),
        *under("model.perceiver_resampler.", "connect.steps.0.", PERCEIVER_KEYS),
        *under(gated, "gated.blocks.", GATED_KEYS),
        *(
            Reshaped(f"{gated}*.{theirs}", f"gated.blocks.*.{ours}", alone(2))
            if fusion.gates == "channel"
            else Name(f"{gated}*.{theirs}", f"gated.blocks.*.{ours}")
            for theirs, ours in names.items()
        ),
        *under("model.", "language.", DECODER_KEYS),
        Name("model.embed_tokens.additional_embedding.weight", "language.embed.more.weight"),
        *(() if spec.tied else (Name("lm_head.weight", "head.weight"), more)),
    )


LAYOUTS = (Layout("idefics", read),)

CHAT = (
    "{{ bos_token }}{% for message in messages %}{{ message['role'].capitalize() + ':' }}"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}{{ '<image>' }}"
    "{% elif content['type'] == 'text' %}{{ (' ' if loop.first else '') + content['text'] }}{% endif %}{% endfor %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)

EYE = ViT(
    Block(1280, 16, 5120, 16, 80, Norm("layer", 1e-5), "gelu"), 32, 14, Table(16), stem_bias=False, cls="keep",
    pre_norm=True, post_norm="idle",
)  # fmt: skip


def crossed(width: int, heads: int, mlp_width: int, depth: int, interval: int, more: int) -> dict[str, Any]:
    """A Llama of that size and its gated blocks."""
    block = llama_like(width, heads, heads, mlp_width)
    spec = Decoder(block, depth, 32000, Rope(10000.0), 2048, more=more)
    fusion = Cross(32001, replace(block, qk_norm=block.norm), tuple(range(0, depth, interval)), "latest", Nothing(), forgets=2)
    return {"decoder": spec, "sight.fusion": fusion}


READER = Resampler(replace(perceiver(1280, 16, 96, 5120, "relu"), qk_norm=Norm("layer", 1e-5)), 6, 64)
SMALL = crossed(4096, 32, 11008, 32, 4, 2)

FAMILIES = (
    Family(
        name="idefics",
        title="Idefics",
        paper="2306.16527",
        year=2023,
        layout="idefics",
        model=Causal(
            SMALL["decoder"],
            Sight(
                Resize(224, 224, "squash"), Pixels(CLIP_MEAN, CLIP_STD), EYE, (READER,), SMALL["sight.fusion"], MARKS
            ),
        ),
        sizes={
            "9b": {},
            "9b-instruct": {"decoder.more": 3},
            "80b": crossed(8192, 64, 22016, 80, 4, 2),
            "80b-instruct": crossed(8192, 64, 22016, 80, 4, 3),
        },
        reference="IdeficsForVisionText2Text",
        chat=CHAT,
    ),
)  # fmt: skip
