"""InternLM2 and 2.5 (arXiv:2403.17297): Llama with queries, keys and values in one tensor, by groups of heads that share keys,
and a base that grows with the length."""

from typing import Any

from chiasm.spec import Causal, Decoder, DynamicNtk, Family, Rope
from chiasm.towers.decoders import llama_like


def rope(factor: float) -> Rope:
    return Rope(1e6, DynamicNtk(factor, 32768))


def size(width: int, heads: int, mlp_width: int, depth: int, factor: float) -> dict[str, Any]:
    block = llama_like(width, heads, 8, mlp_width, eps=1e-5)
    return {"decoder.block": block, "decoder.depth": depth, "decoder.rope": rope(factor)}


FAMILIES = (
    Family(
        name="internlm2",
        title="InternLM2",
        paper="2403.17297",
        year=2024,
        layout="internlm2",
        model=Causal(Decoder(llama_like(2048, 16, 8, 8192, eps=1e-5), 24, 92544, rope(2.0), 8 * 32768)),
        sizes={"1.8b": {}, "7b": size(4096, 32, 14336, 32, 2.0), "20b": size(6144, 48, 16384, 48, 3.0)},
        reference="internlm2-0",
        proof="recorded",
    ),
)
