"""Decoders that several families share, as data."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chiasm.layout import Config, Reading
from chiasm.readers import decoder
from chiasm.spec import Block, Decoder, Norm, Rope


def llama_like(width: int, heads: int, kv_heads: int, mlp_width: int, *, eps: float = 1e-6, qkv_bias: bool = False) -> Block:
    """The block that most decoders of text are made of."""
    return Block(
        width, heads, mlp_width, kv_heads, width // heads, Norm("rms", eps), "silu", "gated",
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
