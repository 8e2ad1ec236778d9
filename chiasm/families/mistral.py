"""Mistral 7B (arXiv:2310.06825): Llama with shared keys and at first a sliding window. Its reader stands in llama.py."""

from chiasm.layout import Layout
from chiasm.spec import Causal, Decoder, Family, Rope
from chiasm.towers.decoders import llama_like

LAYOUTS: tuple[Layout, ...] = ()

FAMILIES = (
    Family(
        name="mistral",
        title="Mistral",
        paper="2310.06825",
        year=2023,
        layout="mistral",
        model=Causal(Decoder(llama_like(4096, 32, 8, 14336, eps=1e-5), 32, 32000, Rope(10000.0), 32768, window=4096)),
        sizes={
            "7b": {},
            "7b-v0.2": {"decoder.rope.theta": 1e6, "decoder.window": None},
            "7b-v0.3": {"decoder.rope.theta": 1e6, "decoder.window": None, "decoder.vocab": 32768},
        },
        reference="MistralForCausalLM",
    ),
)
