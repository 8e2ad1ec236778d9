"""Idefics2 (arXiv:2405.02246): pictures of any shape in a SigLIP with fractional places, read by a perceiver, a Mistral."""

from dataclasses import replace

from chiasm.layout import Config, Layout, Name, Reading, Rule, under
from chiasm.readers import HALF, VIT_KEYS, head_keys, pixels, vit_block
from chiasm.spec import (
    Block,
    Bounded,
    Buckets,
    Causal,
    Decoder,
    Edges,
    Family,
    Mlp,
    Norm,
    Pixels,
    Resampler,
    Rope,
    Sight,
    Splice,
    ViT,
)
from chiasm.towers.decoders import llama_like

MARKS = Edges("<fake_token_around_image>")

CONNECTOR_KEYS: tuple[Rule, ...] = (
    *(Name(f"modality_projection.{p}_proj.weight", f"steps.0.{p}.weight") for p in ("gate", "up", "down")),
    Name("perceiver_resampler.latents", "steps.1.queries"),
    Name("perceiver_resampler.layers.*.input_latents_norm.weight", "steps.1.blocks.*.norm1.weight"),
    Name("perceiver_resampler.layers.*.input_context_norm.weight", "steps.1.blocks.*.context_norm.weight"),
    Name("perceiver_resampler.layers.*.post_attention_layernorm.weight", "steps.1.blocks.*.norm2.weight"),
    *(Name(f"perceiver_resampler.layers.*.self_attn.{p}_proj.weight", f"steps.1.blocks.*.{p}.weight") for p in "qkv"),
    Name("perceiver_resampler.layers.*.self_attn.o_proj.weight", "steps.1.blocks.*.out.weight"),
    *(
        Name(f"perceiver_resampler.layers.*.mlp.{p}_proj.weight", f"steps.1.blocks.*.mlp.{p}.weight")
        for p in ("gate", "up", "down")
    ),
    Name("perceiver_resampler.norm.weight", "steps.1.norm.weight"),
)


def read_vision(c: Config) -> Reading:
    block = vit_block(c, width=768, heads=12, mlp_width=3072, act="gelu_pytorch_tanh", eps=1e-6)
    patch = c.get("patch_size", 32)
    c.only("num_channels", 3)
    position = Buckets(c.get("image_size", 224) // patch)
    return Reading(ViT(block, c.get("num_hidden_layers", 12), patch, position, post_norm="applied"), VIT_KEYS)


def read_perceiver(c: Config) -> Reading:
    """`hidden_size` and `rms_norm_eps` are the text model's wherever they would differ."""
    width, heads = c.get("hidden_size", 4096), c.get("resampler_n_heads", 16)
    block = Block(
        width, heads, 4 * width, c.get("num_key_value_heads", 4), c.get("resampler_head_dim", 96),
        Norm("rms", c.get("rms_norm_eps", 1e-6)), c.act("hidden_act", "silu"), "gated",
        qkv_bias=False, out_bias=False, mlp_bias=False,
    )  # fmt: skip
    return Reading(Resampler(block, c.get("resampler_depth", 3), c.get("resampler_n_latents", 64)), ())


def read(c: Config) -> Reading:
    c.assume(
        vision_config={}, perceiver_config={},
        text_config={"model_type": "mistral", "max_position_embeddings": 32768, "rms_norm_eps": 1e-5},
    )  # fmt: skip
    vision, text = c.part("vision_config", "idefics2_vision"), c.part("text_config", "mistral")
    perceiver = c.nest("perceiver_config")
    resampler: Resampler = read_perceiver(perceiver).spec
    perceiver.inert("model_type")
    c.inert("vocab_size")
    decoder = replace(text.spec, tied=c.get("tie_word_embeddings", False) or text.spec.tied)
    if resampler.block.width != decoder.width:
        own = replace(resampler.block, width=decoder.width, mlp_width=4 * decoder.width, norm=decoder.block.norm)
        resampler = replace(resampler, block=own)
    size = c.pixels.get("size", {"shortest_edge": 378, "longest_edge": 980})
    views = Bounded(size["shortest_edge"], size["longest_edge"], c.pixels.get("do_image_splitting", False))
    project = Mlp(decoder.width, decoder.block.mlp_width, act=decoder.block.act, bias=False, gated=True)
    look = pixels(c.pixels, HALF, HALF, "bilinear")
    sight = Sight(views, look, vision.spec, (project, resampler), Splice(c.get("image_token_id", 32001)), MARKS)
    keys = (
        *under("model.vision_model.", "vision.", vision.keys),
        *under("model.text_model.", "language.", text.keys),
        *head_keys("lm_head.weight", decoder.tied),
        *under("model.connector.", "connect.", CONNECTOR_KEYS),
    )
    return Reading(Causal(decoder, sight), keys)


LAYOUTS = (Layout("idefics2", read), Layout("idefics2_vision", read_vision))


SO400M = ViT(
    Block(1152, 16, 4304, 16, 72, Norm("layer", 1e-6), "gelu_tanh"), 27, 14, Buckets(70), post_norm="applied"
)  # fmt: skip
MISTRAL_7B = Decoder(llama_like(4096, 32, 8, 14336, eps=1e-5), 32, 32003, Rope(10000.0), 32768, window=4096)
PERCEIVER = Resampler(llama_like(4096, 16, 4, 16384, head_width=96), 3, 64)
PROJECT = Mlp(4096, 14336, act="silu", bias=False, gated=True)

CHAT = (
    "{% for message in messages %}{{ message['role'].capitalize() }}"
    "{% if message['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{ line['text'] }}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)

FAMILIES = (
    Family(
        name="idefics2",
        title="Idefics2",
        paper="2405.02246",
        year=2024,
        layout="idefics2",
        model=Causal(
            MISTRAL_7B,
            Sight(
                Bounded(378, 980, split=True), Pixels(HALF, HALF, resample="bilinear"), SO400M, (PROJECT, PERCEIVER),
                Splice(32001), MARKS,
            ),
        ),
        sizes={"8b": {}},
        reference="Idefics2ForConditionalGeneration",
        chat=CHAT,
    ),
)  # fmt: skip
