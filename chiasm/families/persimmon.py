"""Persimmon: a decoder of LayerNorms, normed queries and keys, half of each head turned, the square of ReLU."""

from chiasm.spec import Block, Causal, Decoder, Family, Norm, Rope

FAMILIES = (
    Family(
        name="persimmon",
        title="Persimmon",
        paper="https://www.adept.ai/blog/persimmon-8b",
        year=2023,
        layout="persimmon",
        model=Causal(
            Decoder(
                Block(4096, 64, 16384, 64, 64, Norm("layer", 1e-5), "relu2", qk_norm=Norm("layer", 1e-5)),
                36, 262144, Rope(25000.0, share=0.5), 16384,
            )
        ),
        sizes={"8b": {}},
        reference="PersimmonForCausalLM",
    ),
)  # fmt: skip
