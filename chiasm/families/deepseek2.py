"""DeepSeek-V2 (arXiv:2405.04434): keys and values from one narrow vector, experts after the first block."""

from typing import Any

from chiasm.layouts.deepseek2 import block
from chiasm.spec import Block, Causal, Decoder, Experts, Family, Latent, Rope, Yarn


def size(of: Block, depth: int) -> dict[str, Any]:
    return {"decoder.block": of, "decoder.depth": depth}


LITE = block(2048, 16, 10944, Latent(512, 64, 128), Experts(64, 6, 1408, 2816))

WHOLE = block(5120, 128, 12288, Latent(512, 64, 128, 1536), Experts(160, 6, 1536, 3072, 16.0, 8, 3))

FAMILIES = (
    Family(
        name="deepseek-v2",
        title="DeepSeek-V2",
        paper="2405.04434",
        year=2024,
        layout="deepseek_v2",
        model=Causal(Decoder(LITE, 27, 102400, Rope(10000.0, Yarn(40.0, 4096)), 163840, dense=1)),
        sizes={"lite": {}, "236b": size(WHOLE, 60)},
        reference="DeepseekV2ForCausalLM",
    ),
)
