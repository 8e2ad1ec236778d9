"""Llama (and Llama 3, SmolLM2, Vicuna, Mistral, Qwen2): decoders of text alone, and the readers that VLMs call for theirs."""

from chiasm.spec import Block, Causal, Decoder, Family, Llama3Scaling, Norm, Rope
from chiasm.towers.decoders import llama_like

SMOLLM2 = Causal(
    Decoder(
        block=Block(
            width=576, heads=9, kv_heads=3, head_width=64, mlp_width=1536, norm=Norm("rms", 1e-5), act="silu", mlp="gated",
            qkv_bias=False, out_bias=False, mlp_bias=False,
        ),
        depth=30, vocab=49152, rope=Rope(100000.0), context=8192, tied=True,
    )
)  # fmt: skip

LLAMA_3 = Decoder(
    llama_like(4096, 32, 8, 14336, eps=1e-5), 32, 128256, Rope(500000.0, Llama3Scaling(8.0, 1.0, 4.0, 8192)), 131072
)

LLAMA_3_SMALL = {"decoder.rope.scaling": Llama3Scaling(32.0, 1.0, 4.0, 8192), "decoder.tied": True}

FAMILIES = (
    Family(
        name="smollm2",
        title="SmolLM2",
        paper="2502.02737",
        year=2024,
        layout="llama",
        model=SMOLLM2,
        sizes={
            "135m": {},
            "360m": {
                "decoder.block.width": 960, "decoder.block.heads": 15, "decoder.block.kv_heads": 5,
                "decoder.block.mlp_width": 2560, "decoder.depth": 32,
            },
            "1.7b": {
                "decoder.block.width": 2048, "decoder.block.heads": 32, "decoder.block.kv_heads": 32,
                "decoder.block.mlp_width": 8192, "decoder.depth": 24, "decoder.rope.theta": 130000.0,
            },
        },
        reference="LlamaForCausalLM",
        ran=True,
    ),
    Family(
        name="llama-3",
        title="Llama 3",
        paper="2407.21783",
        year=2024,
        layout="llama",
        model=Causal(LLAMA_3),
        sizes={
            "3.1-8b": {},
            "3.1-70b": {"decoder.block": llama_like(8192, 64, 8, 28672, eps=1e-5), "decoder.depth": 80},
            "3-8b": {"decoder.rope": Rope(500000.0), "decoder.context": 8192},
            "3.2-1b": {
                "decoder.block": llama_like(2048, 32, 8, 8192, eps=1e-5), "decoder.depth": 16, **LLAMA_3_SMALL,
            },
            "3.2-3b": {
                "decoder.block": llama_like(3072, 24, 8, 8192, eps=1e-5), "decoder.depth": 28, **LLAMA_3_SMALL,
            },
        },
        reference="LlamaForCausalLM",
    ),
)  # fmt: skip
