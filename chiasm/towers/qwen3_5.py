"""Qwen3.5's decoder as data: three layers with a delta rule, then one whose attention is gated."""

from chiasm.spec import Attends, Block, Decoder, Delta, Norm, Rope

NORM = Norm("rms", 1e-6, "from_one")


def block(width: int, heads: int, kv_heads: int, mlp_width: int) -> Block:
    return Block(
        width, heads, mlp_width, kv_heads, 256, NORM, "silu", "gated", qkv_bias=False, out_bias=False, mlp_bias=False,
        qk_norm=NORM, mixer=Attends("sigmoid"),
    )  # fmt: skip


def qwen3_5(width: int, depth: int, heads: int, kv_heads: int, mlp_width: int, states: int, *, tied: bool = False) -> Decoder:
    """`states` are the heads of the delta rules."""
    turns = (*(Delta(states, 16, 128, 128),) * 3, Attends("sigmoid"))
    rope = Rope(1e7, share=0.25)
    return Decoder(block(width, heads, kv_heads, mlp_width), depth, 248320, rope, 262144, tied, turns=turns)
