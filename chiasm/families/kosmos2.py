"""Kosmos-2 (arXiv:2306.14824): CLIP's features at length one, read by 64 learned queries, in a decoder of LayerNorms whose
places are sines; boxes are pairs of words, each a cell of a grid over the picture (`ground/cells.py`).

The published processor writes other ids between a picture's two marks, which mean nothing: visual tokens take their places.
"""

from dataclasses import replace

from chiasm.layout import Config, Ignored, Layout, Name, Reading, Rule, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, VIT_KEYS, crop_resize, edges, head_keys, pixels, vit_block
from chiasm.spec import (
    Activation,
    Around,
    Asker,
    Block,
    Causal,
    Decoder,
    Family,
    Mlp,
    Norm,
    Pixels,
    Resize,
    Sight,
    Sines,
    Splice,
    Step,
    Table,
    Times,
    Unit,
    ViT,
)

MARKS = Around("<image>", "</image>")
FUSION = Splice(64005, inside=(64003, 64004), named="</chunk>")
"""`</chunk>`, which nothing else is written with, between `<image>` and `</image>`."""

PARTS = ("q", "k", "v", "out")

TEXT_KEYS: tuple[Rule, ...] = (
    Name("embed_tokens.weight", "embed.weight"),
    Name("layers.*.self_attn_layer_norm.*", "blocks.*.norm1.*"),
    Name("layers.*.final_layer_norm.*", "blocks.*.norm2.*"),
    *(Name(f"layers.*.self_attn.{part}_proj.*", f"blocks.*.attention.{part}.*") for part in PARTS),
    Name("layers.*.self_attn.inner_attn_ln.*", "blocks.*.attention.norm.*"),
    Name("layers.*.ffn.fc1.*", "blocks.*.mlp.up.*"),
    Name("layers.*.ffn.fc2.*", "blocks.*.mlp.down.*"),
    Name("layers.*.ffn.ffn_layernorm.*", "blocks.*.mlp.norm.*"),
    Name("layer_norm.*", "norm.*"),
    Ignored("embed_positions.weights"),
)


def read_vision(c: Config) -> Reading:
    block = vit_block(c, width=1024, heads=16, mlp_width=4096, act="quick_gelu", eps=1e-5)
    patch, depth = c.get("patch_size", 14), c.get("num_hidden_layers", 24)
    c.only("num_channels", 3)
    c.inert("projection_dim")
    table = Table(c.get("image_size", 224) // patch)
    spec = ViT(block, depth, patch, table, stem_bias=False, cls="keep", pre_norm=True, post_norm="applied")
    return Reading(spec, VIT_KEYS)


def read_text(c: Config) -> Reading:
    c.only("add_cross_attention", False)
    c.inert("activation_dropout", "layerdrop", "init_std")
    width, heads = c.get("embed_dim", 2048), c.get("attention_heads", 32)
    act = c.act("activation_function", "gelu")
    block = inner_norms(width, heads, c.get("ffn_dim", 8192), Norm("layer", c.get("layer_norm_eps", 1e-5)), act=act)
    # The reference gives pads their own id for a number, and counts on from there.
    before = c.data.get("pad_token_id", 1) + 1
    spec = Decoder(
        block, c.get("layers", 24), c.get("vocab_size", 65037), Sines(before), c.get("max_position_embeddings", 2048),
        c.get("tie_word_embeddings", True), embed_scale="root_width" if c.get("scale_embedding", True) else "plain",
    )  # fmt: skip
    return Reading(spec, TEXT_KEYS)


def inner_norms(width: int, heads: int, mlp_width: int, norm: Norm, *, act: Activation = "gelu") -> Block:
    """A block with norms inside its branches as well."""
    return Block(width, heads, mlp_width, heads, width // heads, norm, act, attention_norm=norm, mlp_norm=norm)


def views(c: Config) -> Resize:
    """CLIP's crop, or the whole picture squashed, as the published file says by a name of its own."""
    if not c.get("use_square_size", False):
        return crop_resize(c, 224)
    c.inert("crop_size")
    side = edges(c.get("size", {"shortest_edge": 224}))[0]
    return Resize(side, side, "squash")


def read(c: Config) -> Reading:
    c.data = {"vision_config": {}, "text_config": {}, **c.data}
    vision, text = c.part("vision_config", "kosmos_2_vision_model"), c.part("text_config", "kosmos_2_text_model")
    decoder = replace(text.spec, tied=c.get("tie_word_embeddings", True) and text.spec.tied)
    steps = asked(decoder, c.get("latent_query_num", 64))
    sight = Sight(views(c.pixels), pixels(c.pixels, CLIP_MEAN, CLIP_STD), vision.spec, steps, FUSION, MARKS)
    keys = (
        *under("vision_model.model.", "vision.", vision.keys),
        *under("text_model.model.", "language.", text.keys),
        *head_keys("text_model.lm_head.weight", decoder.tied),
        Name("image_to_text_projection.dense.*", "connect.steps.1.layers.0.*"),
        Name("image_to_text_projection.latent_query", "connect.steps.2.queries"),
        *(Name(f"image_to_text_projection.x_attn.{part}_proj.*", f"connect.steps.2.{part}.*") for part in PARTS),
    )
    return Reading(Causal(decoder, sight, boxes="cells"), keys)


def asked(decoder: Decoder, queries: int) -> tuple[Step, ...]:
    """The published class scales all that enters its decoder, visual tokens as well."""
    width, heads = decoder.width, decoder.block.heads
    scaled = (Times(width**0.5),) if decoder.embed_scale == "root_width" else ()
    return (Unit(), Mlp(width, width, depth=1), Asker(width, heads, queries), *scaled)


LAYOUTS = (
    Layout("kosmos-2", read),
    Layout("kosmos_2_vision_model", read_vision),
    Layout("kosmos_2_text_model", read_text),
)

CHAT = (
    "{{ bos_token }}{% for message in messages %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '</chunk>' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ content['text'] }}{% endgeneration %}{{ eos_token }}"
    "{% else %}{{ ' ' + content['text'] | trim }}{% endif %}{% endfor %}{% endfor %}"
)

CLIP_L = ViT(
    Block(1024, 16, 4096, 16, 64, Norm("layer", 1e-5), "quick_gelu"), 24, 14, Table(16), stem_bias=False, cls="keep",
    pre_norm=True, post_norm="applied",
)  # fmt: skip
TEXT = Decoder(inner_norms(2048, 32, 8192, Norm("layer", 1e-5)), 24, 65037, Sines(2), 2048, True, embed_scale="root_width")
SQUARE = Resize(224, 224, "squash")

FAMILIES = (
    Family(
        name="kosmos-2",
        title="Kosmos-2",
        paper="2306.14824",
        year=2023,
        layout="kosmos-2",
        model=Causal(TEXT, Sight(SQUARE, Pixels(CLIP_MEAN, CLIP_STD), CLIP_L, asked(TEXT, 64), FUSION, MARKS), boxes="cells"),
        sizes={"patch14-224": {}},
        reference="Kosmos2ForConditionalGeneration",
        chat=CHAT,
    ),
)
