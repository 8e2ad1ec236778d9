"""Phi-3, Phi-3.5 (arXiv:2404.14219) and Phi-4 (arXiv:2412.08905, mini: arXiv:2503.01743): Llama with fused projections, its
longer contexts by frequencies of their own, in the mini of Phi-4 three quarters of each head turned."""

from chiasm.readers import longrope_louder
from chiasm.spec import Causal, Decoder, Family, LongRope, Rope
from chiasm.towers.decoders import LONG, llama_like

MEDIUM = llama_like(5120, 40, 10, 17920, eps=1e-5)
"""The block of Phi-3-medium and of Phi-4."""

MINI = Decoder(llama_like(3072, 32, 32, 8192, eps=1e-5), 32, 32064, Rope(10000.0), 4096, window=2047)

MINI_4 = Decoder(
    llama_like(3072, 24, 8, 8192, eps=1e-5), 32, 200064,
    Rope(10000.0, LongRope((1.0,) * 48, LONG, longrope_louder(32, 4096), 4096), share=0.75), 131072, tied=True, window=262144,
)  # fmt: skip

FAMILIES = (
    Family(
        name="phi-3",
        title="Phi-3",
        paper="2404.14219",
        year=2024,
        layout="phi3",
        model=Causal(MINI),
        sizes={"mini-4k": {}, "medium-4k": {"decoder.block": MEDIUM, "decoder.depth": 40}},
        reference="Phi3ForCausalLM",
    ),
    Family(
        name="phi-4",
        title="Phi-4",
        paper="2412.08905",
        year=2024,
        layout="phi3",
        model=Causal(Decoder(MEDIUM, 40, 100352, Rope(250000.0), 16384)),
        sizes={"14b": {}},
        reference="Phi3ForCausalLM",
    ),
    Family(
        name="phi-4-mini",
        title="Phi-4-mini",
        paper="2503.01743",
        year=2025,
        layout="phi3",
        model=Causal(MINI_4),
        sizes={"3.8b": {}},
        reference="Phi3ForCausalLM",
    ),
)
