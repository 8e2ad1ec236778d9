"""Qwen2 and Qwen2.5 (arXiv:2407.10671): Llama with biases on queries, keys and values. Their reader stands in llama.py."""

from typing import Any

from chiasm.layout import Layout
from chiasm.spec import Causal, Decoder, Family, Rope
from chiasm.towers.decoders import llama_like

LAYOUTS: tuple[Layout, ...] = ()


def size(width: int, heads: int, kv_heads: int, mlp_width: int, depth: int, **others: Any) -> dict[str, Any]:
    block = llama_like(width, heads, kv_heads, mlp_width, qkv_bias=True)
    return {"decoder.block": block, "decoder.depth": depth, **{f"decoder.{name}": value for name, value in others.items()}}


SMALLEST = Decoder(llama_like(896, 14, 2, 4864, qkv_bias=True), 24, 151936, Rope(1e6), 131072, tied=True)

FAMILIES = (
    Family(
        name="qwen2",
        title="Qwen2",
        paper="2407.10671",
        year=2024,
        layout="qwen2",
        model=Causal(SMALLEST),
        sizes={
            "0.5b": {},
            "1.5b": size(1536, 12, 2, 8960, 28),
            "7b": size(3584, 28, 4, 18944, 28, vocab=152064, tied=False),
            "72b": size(8192, 64, 8, 29568, 80, vocab=152064, tied=False) | {"decoder.block.norm.eps": 1e-5},
        },
        reference="Qwen2ForCausalLM",
    ),
)
