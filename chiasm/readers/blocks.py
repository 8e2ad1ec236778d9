"""Decoders of the Llama kind and blocks of CLIP's towers, from their configs."""

from __future__ import annotations

from chiasm.layout import Config, Reading
from chiasm.readers.keys import DECODER_KEYS
from chiasm.readers.rotary import rope
from chiasm.spec import Activation, Block, Decoder, DynamicNtk, Norm


def decoder(
    c: Config,
    *,
    heads: int = 32,
    context: int,
    eps: float,
    theta: float = 10000.0,
    qkv_bias: bool = False,
    out_bias: bool = False,
    mlp_bias: bool = False,
    window: int | None = None,
) -> Reading:
    """A decoder of the Llama kind from a text config; the keywords are the published class's defaults where they differ."""
    width, heads = c.get("hidden_size", 4096), c.get("num_attention_heads", heads)
    block = Block(
        width=width,
        heads=heads,
        kv_heads=c.first("num_key_value_heads", default=heads),
        head_width=c.first("head_dim", default=width // heads),
        mlp_width=c.get("intermediate_size", 11008),
        norm=Norm("rms", c.get("rms_norm_eps", eps)),
        act=c.act("hidden_act", "silu"),
        mlp="gated",
        qkv_bias=qkv_bias,
        out_bias=out_bias,
        mlp_bias=mlp_bias,
    )
    c.inert("max_window_layers")
    positions = rope(c, theta, context)
    longest = c.get("max_position_embeddings", context)
    spec = Decoder(
        block=block,
        depth=c.get("num_hidden_layers", 32),
        vocab=c.get("vocab_size", 32000),
        rope=positions,
        # A base that grows knows no end; InternLM2, which has one, is published for six times its config's positions.
        context=8 * longest if isinstance(positions.scaling, DynamicNtk) else longest,
        tied=c.get("tie_word_embeddings", False),
        window=window,
    )
    return Reading(spec, DECODER_KEYS)


def sliding_window(c: Config, default: int | None) -> int | None:
    """How far back a key may lie, where the config says that all layers slide."""
    window: int | None = c.get("sliding_window", default)
    return window


def vit_block(c: Config, *, width: int, heads: int, mlp_width: int, act: str, eps: float) -> Block:
    """The block of a CLIP-like tower; the keywords are the published class's defaults."""
    width, heads = c.get("hidden_size", width), c.get("num_attention_heads", heads)
    activation: Activation = c.act("hidden_act", act)
    norm = Norm("layer", c.get("layer_norm_eps", eps))
    return Block(width, heads, c.get("intermediate_size", mlp_width), heads, width // heads, norm, activation)
