"""Decoders that several families share, as data."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chiasm.layout import Config, Reading
from chiasm.readers import decoder
from chiasm.spec import Block, Decoder, Norm, Rope


def llama_like(
    width: int, heads: int, kv_heads: int, mlp_width: int, *,
    head_width: int | None = None, eps: float = 1e-6, qkv_bias: bool = False,
) -> Block:  # fmt: skip
    """The block that most decoders of text are made of; heads share the width, where `head_width` says nothing else."""
    head = width // heads if head_width is None else head_width
    return Block(
        width, heads, mlp_width, kv_heads, head, Norm("rms", eps), "silu", "gated",
        qkv_bias=qkv_bias, out_bias=False, mlp_bias=False,
    )  # fmt: skip


def llama(width: int, depth: int, heads: int, kv_heads: int, mlp_width: int, vocab: int, theta: float = 10000.0) -> Decoder:
    """Llama 2 and its like under a model that sees: 4,096 positions."""
    return Decoder(llama_like(width, heads, kv_heads, mlp_width, eps=1e-5), depth, vocab, Rope(theta), 4096)


def qwen2(width: int, depth: int, heads: int, kv_heads: int, mlp_width: int, vocab: int, tied: bool = False) -> Decoder:
    """Qwen1.5 and Qwen2 under a model that sees."""
    return Decoder(llama_like(width, heads, kv_heads, mlp_width, qkv_bias=True), depth, vocab, Rope(1000000.0), 32768, tied)


def gemma_like(c: Config, defaults: Mapping[str, Any]) -> Reading:
    """What both versions share; `defaults` are the published class's own.

    Published files say `hidden_act` "gelu" and mean its tanh form; newer ones say it in `hidden_activation`.
    """
    shared = {"head_dim": 256, "vocab_size": 256000, "tie_word_embeddings": True}
    c.data = {**shared, **defaults, **c.data}
    act = c.first("hidden_activation", "hidden_act", default="gelu_pytorch_tanh")
    c.data = {**c.data, "hidden_act": "gelu_pytorch_tanh" if act == "gelu" else act}
    c.only("use_bidirectional_attention", False)
    bias = c.get("attention_bias", False)
    reading = decoder(c, context=8192, eps=1e-6, qkv_bias=bias, out_bias=bias)
    norm = replace(reading.spec.block.norm, weight="from_one")
    spec = replace(reading.spec, block=replace(reading.spec.block, norm=norm), embed_scale="root_width")
    return Reading(spec, reading.keys)


LONG = (
    1.0, 1.118320672, 1.250641126, 1.398617824, 1.564103225, 1.74916897, 1.956131817, 2.187582649, 2.446418898, 2.735880826,
    3.059592084, 3.421605075, 3.826451687, 4.279200023, 4.785517845, 5.351743533, 5.984965424, 6.693110555, 7.485043894,
    8.370679318, 9.36110372, 10.4687158, 11.70738129, 13.09260651, 14.64173252, 16.37415215, 18.31155283, 20.47818807,
    22.90118105, 25.61086418, 28.64115884, 32.03, 32.1, 32.13, 32.23, 32.6, 32.61, 32.64, 32.66, 32.7, 32.71, 32.93, 32.97,
    33.28, 33.49, 33.5, 44.16, 47.77,
)  # fmt: skip
"""What Phi-4-mini divides its frequencies by past 4096 positions, to reach 131072."""
