"""Qwen's first decoder (arXiv:2309.16609) as data: Llama with biases, whose gate is its second matrix, a base that grows in
steps and queries that grow louder."""

from typing import Any

from chiasm.layout import Config, Fused, Ignored, Name, Reading, Rule
from chiasm.spec import Block, Decoder, Norm, Plain, Rope, StepNtk

KEYS: tuple[Rule, ...] = (
    Name("wte.weight", "embed.weight"),
    Name("h.*.ln_1.weight", "blocks.*.norm1.weight"),
    Name("h.*.ln_2.weight", "blocks.*.norm2.weight"),
    Fused("h.*.attn.c_attn.*", tuple(f"blocks.*.attention.{part}.*" for part in "qkv"), (1, 1, 1)),
    Name("h.*.attn.c_proj.*", "blocks.*.attention.out.*"),
    Name("h.*.mlp.w1.*", "blocks.*.mlp.up.*"),
    Name("h.*.mlp.w2.*", "blocks.*.mlp.gate.*"),
    Name("h.*.mlp.c_proj.*", "blocks.*.mlp.down.*"),
    Name("ln_f.weight", "norm.weight"),
    Ignored("rotary_emb.inv_freq"),
    Ignored("h.*.attn.rotary_emb.inv_freq"),
)


REACH = 4
"""Up to how many times its usual length a base that grows was tried by its makers."""


def block(width: int, heads: int, head_width: int, mlp_width: int, eps: float = 1e-6) -> Block:
    return Block(
        width, heads, mlp_width, heads, head_width, Norm("rms", eps), "silu", "gated", out_bias=False, mlp_bias=False
    )  # fmt: skip


def rope(theta: float, grows: int | None, calm: int | None) -> Rope:
    return Rope(theta, Plain() if grows is None else StepNtk(grows), calm=calm)


def qwen(width: int, heads: int, mlp_width: int, depth: int, vocab: int, length: int) -> Decoder:
    """As most are published: both ways of going beyond `length`."""
    return Decoder(block(width, heads, 128, mlp_width), depth, vocab, rope(10000.0, length, length), REACH * length)


def read_decoder(c: Config) -> Reading:
    width, heads = c.get("hidden_size", 4096), c.get("num_attention_heads", 32)
    c.only("rotary_pct", 1.0)
    c.only("no_bias", True)
    c.only("scale_attn_weights", True)
    c.only("use_cache_quantization", False)
    c.inert(
        "emb_dropout_prob", "attn_dropout_prob", "bf16", "fp16", "fp32", "use_flash_attn", "onnx_safe", "softmax_in_fp32",
        "use_cache_kernel", "rope_theta",
    )  # fmt: skip
    length = c.get("seq_length", c.data.get("max_position_embeddings", 8192))
    both, eps = c.get("intermediate_size", 22016), c.get("layer_norm_epsilon", 1e-6)
    spec = Decoder(
        block(width, heads, c.get("kv_channels", 128), both // 2, eps),
        c.get("num_hidden_layers", 32),
        c.get("vocab_size", 151936),
        rope(
            float(c.get("rotary_emb_base", 10000)),
            length if c.get("use_dynamic_ntk", True) else None,
            length if c.get("use_logn_attn", True) else None,
        ),
        max(c.get("max_position_embeddings", 8192), REACH * length if c.get("use_dynamic_ntk", True) else length),
        tied=c.get("tie_word_embeddings", False),
    )
    return Reading(spec, KEYS)


def larger(decoder: Decoder) -> dict[str, Any]:
    return {"decoder": decoder}
