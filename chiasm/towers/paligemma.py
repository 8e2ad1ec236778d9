"""PaliGemma's halves as data, for itself and what is made of it."""

from dataclasses import replace

from chiasm.readers import HALF
from chiasm.spec import Block, Decoder, Mlp, Norm, Pixels, Resize, Rope, Scores, Sight, Splice, Table, ViT


def gemma_block(
    width: int, heads: int, kv_heads: int, mlp_width: int, head_width: int = 256, second: int | None = None
) -> Block:
    """A block of Gemma's; of Gemma 2's with `second`, what its scores are divided by the root of."""
    block = Block(
        width, heads, mlp_width, kv_heads, head_width, Norm("rms", 1e-6, "from_one"), "gelu_tanh", "gated",
        qkv_bias=False, out_bias=False, mlp_bias=False,
    )  # fmt: skip
    return block if second is None else replace(block, norms="both", scores=Scores(second**-0.5, 50.0))


def gemma(block: Block, depth: int) -> Decoder:
    rope = Rope(10000.0, first=1)
    decoder = Decoder(block, depth, 257216, rope, 8192, tied=True, embed_scale="root_width")
    return decoder if block.norms == "before" else replace(decoder, window=4096, full_every=2, logit_cap=30.0)


def sight(width: int, side: int = 224) -> Sight:
    """SigLIP's So400m at so many pixels a side."""
    eye = ViT(
        Block(1152, 16, 4304, 16, 72, Norm("layer", 1e-6), "gelu_tanh"), 27, 14, Table(side // 14), post_norm="applied"
    )  # fmt: skip
    return Sight(Resize(side, side, "squash"), Pixels(HALF, HALF), eye, (Mlp(width, width, depth=1),), Splice(257152))


FIRST = gemma(gemma_block(2048, 8, 1, 16384), 18)
