"""Pythia (arXiv:2304.01373): GPT-NeoX's decoder at many sizes."""

from typing import Any

from chiasm.spec import Block, Causal, Decoder, Family, Norm, Rope


def block(width: int, heads: int) -> Block:
    return Block(width, heads, 4 * width, heads, width // heads, Norm("layer", 1e-5), "gelu", norms="beside")


def size(width: int, heads: int, depth: int, vocab: int) -> dict[str, Any]:
    return {"decoder.block": block(width, heads), "decoder.depth": depth, "decoder.vocab": vocab}


FAMILIES = (
    Family(
        name="pythia",
        title="Pythia",
        paper="2304.01373",
        year=2023,
        layout="gpt_neox",
        model=Causal(Decoder(block(512, 8), 6, 50304, Rope(10000.0, share=0.25), 2048)),
        sizes={
            "70m": {},
            "160m": size(768, 12, 12, 50304),
            "410m": size(1024, 16, 24, 50304),
            "1b": size(2048, 8, 16, 50304),
            "1.4b": size(2048, 16, 24, 50304),
            "2.8b": size(2560, 32, 32, 50304),
            "6.9b": size(4096, 32, 32, 50432),
            "12b": size(5120, 40, 36, 50688),
        },
        reference="GPTNeoXForCausalLM",
    ),
)
