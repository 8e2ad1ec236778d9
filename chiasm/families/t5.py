"""T5 (arXiv:1910.10683) and FlanT5 (arXiv:2210.11416): a source read whole, a target written after it, distances in buckets."""

from typing import Any

from chiasm.layouts.t5 import block
from chiasm.spec import Block, EncoderDecoder, Family, Norm, Relative, Scores, Seq2Seq
from chiasm.towers.prompts import PROMPT


def gated(width: int, heads: int, mlp_width: int) -> Block:
    return Block(
        width, heads, mlp_width, heads, 64, Norm("rms", 1e-6), "gelu_tanh", "gated",
        qkv_bias=False, out_bias=False, mlp_bias=False, scores=Scores(1.0),
    )  # fmt: skip


def size(of: Block, depth: int) -> dict[str, Any]:
    return {"language.block": of, "language.source": depth, "language.target": depth}


BUCKETS = Relative(32, 128)

FAMILIES = (
    Family(
        name="t5",
        title="T5",
        paper="1910.10683",
        year=2019,
        layout="t5",
        model=Seq2Seq(EncoderDecoder(block(512, 8, 2048), 6, 6, 32128, BUCKETS, 0, True, "by_root_width")),
        sizes={
            "small": {},
            "base": size(block(768, 12, 3072), 12),
            "large": size(block(1024, 16, 4096), 24),
            "3b": size(block(1024, 32, 16384, head_width=128), 24),
        },
        reference="T5ForConditionalGeneration",
        chat=PROMPT,
    ),
    Family(
        name="flan-t5",
        title="FlanT5",
        paper="2210.11416",
        year=2022,
        layout="t5",
        model=Seq2Seq(EncoderDecoder(gated(512, 6, 1024), 8, 8, 32128, BUCKETS, 0, tied=False)),
        sizes={
            "small": {},
            "base": size(gated(768, 12, 2048), 12),
            "large": size(gated(1024, 16, 2816), 24),
            "xl": size(gated(2048, 32, 5120), 24),
            "xxl": size(gated(4096, 64, 10240), 24),
        },
        reference="T5ForConditionalGeneration",
        chat=PROMPT,
    ),
)
