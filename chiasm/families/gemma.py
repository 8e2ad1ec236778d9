"""Gemma (arXiv:2403.08295): wide heads, norms stored around one, embeddings times the root of their width."""

from chiasm.spec import Block, Causal, Decoder, Family, Norm, Rope


def block(width: int, heads: int, kv_heads: int, mlp_width: int) -> Block:
    return Block(
        width, heads, mlp_width, kv_heads, 256, Norm("rms", 1e-6, "from_one"), "gelu_tanh", "gated",
        qkv_bias=False, out_bias=False, mlp_bias=False,
    )  # fmt: skip


FAMILIES = (
    Family(
        name="gemma",
        title="Gemma",
        paper="2403.08295",
        year=2024,
        layout="gemma",
        model=Causal(Decoder(block(2048, 8, 1, 16384), 18, 256000, Rope(10000.0), 8192, tied=True, embed_scale="root_width")),
        sizes={"2b": {}, "7b": {"decoder.block": block(3072, 16, 16, 24576), "decoder.depth": 28}},
        reference="GemmaForCausalLM",
    ),
)
