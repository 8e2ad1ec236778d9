"""Gemma 2 (arXiv:2408.00118): Gemma with norms after attention and MLP too, scores and logits bent by tanh, and a window in
every other layer."""

from typing import Any

from chiasm.spec import Block, Causal, Decoder, Family, Norm, Rope, Scores


def block(width: int, heads: int, kv_heads: int, mlp_width: int, head_width: int = 256, scale: int = 256) -> Block:
    """`scale`: what the scores are divided by the root of, the head's own width but in 27B."""
    return Block(
        width, heads, mlp_width, kv_heads, head_width, Norm("rms", 1e-6, "from_one"), "gelu_tanh", "gated",
        qkv_bias=False, out_bias=False, mlp_bias=False, norms="both", scores=Scores(scale**-0.5, 50.0),
    )  # fmt: skip


SMALLEST = Decoder(
    block(2304, 8, 4, 9216), 26, 256000, Rope(10000.0), 8192, tied=True, window=4096, full_every=2, embed_scale="root_width",
    logit_cap=30.0,
)  # fmt: skip

SIZES: dict[str, dict[str, Any]] = {
    "2b": {},
    "9b": {"decoder.block": block(3584, 16, 8, 14336), "decoder.depth": 42},
    "27b": {"decoder.block": block(4608, 32, 16, 36864, 128, 144), "decoder.depth": 46},
}

FAMILIES = (
    Family(
        name="gemma-2",
        title="Gemma 2",
        paper="2408.00118",
        year=2024,
        layout="gemma2",
        model=Causal(SMALLEST),
        sizes=SIZES,
        reference="Gemma2ForCausalLM",
    ),
)
