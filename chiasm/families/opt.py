"""OPT (arXiv:2205.01068): learned positions, LayerNorm, plain MLPs with ReLU."""

from typing import Any

from chiasm.layouts.opt import block
from chiasm.spec import Causal, Decoder, Family, Learned


def size(width: int, heads: int, depth: int) -> dict[str, Any]:
    return {"decoder.block": block(width, heads), "decoder.depth": depth}


FAMILIES = (
    Family(
        name="opt",
        title="OPT",
        paper="2205.01068",
        year=2022,
        layout="opt",
        model=Causal(Decoder(block(768, 12), 12, 50272, Learned(2048, before=2), 2048, tied=True)),
        sizes={
            "125m": {},
            "350m": {"decoder.block": block(1024, 16, "after"), "decoder.depth": 24, "decoder.embed_width": 512},
            "1.3b": size(2048, 32, 24),
            "2.7b": size(2560, 32, 32),
            "6.7b": size(4096, 32, 32),
            "13b": size(5120, 40, 40),
            "30b": size(7168, 56, 48),
        },
        reference="OPTForCausalLM",
    ),
)
