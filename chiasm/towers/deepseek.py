"""What DeepSeek's seeing models share, as data."""

from chiasm.spec import Block, Decoder, Norm, Rope, Table, ViT

SIGLIP_L = ViT(Block(1024, 16, 4096, 16, 64, Norm("layer", 1e-6), "gelu"), 24, 16, Table(24), post_norm="applied")


def deepseek(width: int, depth: int, heads: int, mlp_width: int) -> Decoder:
    """DeepSeek LLM under a model that sees: Llama's block, 16,384 positions."""
    block = Block(
        width, heads, mlp_width, heads, width // heads, Norm("rms", 1e-6), "silu", "gated",
        qkv_bias=False, out_bias=False, mlp_bias=False,
    )  # fmt: skip
    return Decoder(block, depth, 102400, Rope(10000.0), 16384)
