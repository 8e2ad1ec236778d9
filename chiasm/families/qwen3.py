"""Qwen3 (arXiv:2505.09388): Qwen2 without biases, each head's query and key normed."""

from dataclasses import replace
from typing import Any

from chiasm.layout import Config, Layout, Name, Reading
from chiasm.readers import decoder
from chiasm.spec import Causal, Decoder, Family, Norm, Rope
from chiasm.towers.decoders import llama_like


def read(c: Config) -> Reading:
    """Qwen3's class defaults: heads of 128 whatever the width; no window unless `use_sliding_window` says so."""
    c.only("use_sliding_window", False)
    c.inert("sliding_window", "layer_types")
    defaults = {"vocab_size": 151936, "intermediate_size": 22016, "num_key_value_heads": 32, "head_dim": 128}
    c.data = defaults | {name: value for name, value in c.data.items() if value is not None or name not in defaults}
    bias = c.get("attention_bias", False)
    reading = decoder(c, context=32768, eps=1e-6, qkv_bias=bias, out_bias=bias)
    block = replace(reading.spec.block, qk_norm=reading.spec.block.norm)
    norms = (Name(f"layers.*.self_attn.{part}_norm.*", f"blocks.*.attention.{part}_norm.*") for part in "qk")
    return Reading(replace(reading.spec, block=block), (*reading.keys, *norms))


LAYOUTS = (Layout("qwen3", read),)

NORM = Norm("rms", 1e-6)


def size(width: int, heads: int, mlp_width: int, depth: int, **others: Any) -> dict[str, Any]:
    block = replace(llama_like(width, heads, 8, mlp_width), head_width=128, qk_norm=NORM)
    return {"decoder.block": block, "decoder.depth": depth, **{f"decoder.{name}": value for name, value in others.items()}}


SMALLEST = replace(llama_like(1024, 16, 8, 3072), head_width=128, qk_norm=NORM)

FAMILIES = (
    Family(
        name="qwen3",
        title="Qwen3",
        paper="2505.09388",
        year=2025,
        layout="qwen3",
        model=Causal(Decoder(SMALLEST, 28, 151936, Rope(1e6), 40960, tied=True)),
        sizes={
            "0.6b": {},
            "1.7b": size(2048, 16, 6144, 28),
            "4b": size(2560, 32, 9728, 36),
            "8b": size(4096, 32, 12288, 36, tied=False),
            "14b": size(5120, 40, 17408, 40, tied=False),
            "32b": size(5120, 64, 25600, 64, tied=False),
        },
        reference="Qwen3ForCausalLM",
    ),
)
