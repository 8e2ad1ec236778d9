"""Phi-3, Phi-3.5 (arXiv:2404.14219) and Phi-4 (arXiv:2412.08905, mini: arXiv:2503.01743): Llama with fused projections, its
longer contexts by frequencies of their own, in the mini of Phi-4 three quarters of each head turned."""

from chiasm.layout import Config, Fused, Layout, Name, Reading
from chiasm.readers import DECODER_KEYS, decoder, longrope_louder
from chiasm.spec import Causal, Decoder, Family, LongRope, Rope
from chiasm.towers.decoders import LONG, llama_like

APART = tuple(f"layers.*.self_attn.{part}_proj.*" for part in "qkv") + tuple(f"layers.*.mlp.{p}_proj.*" for p in ("gate", "up"))
"""Keys of Llama's that are one tensor here."""


def read(c: Config) -> Reading:
    """Phi-3's class defaults are those of its mini with 4096 positions."""
    c.inert("embd_pdrop", "resid_pdrop", "original_max_position_embeddings")
    scaling = c.data.get("rope_scaling")
    if scaling and scaling.get("type") == "yarn":
        # What old files call so is computed as longrope by the published class.
        c.data = {**c.data, "rope_scaling": {**scaling, "type": "longrope"}}
    defaults = {"hidden_size": 3072, "intermediate_size": 8192, "vocab_size": 32064}
    c.data = {**defaults, "original_max_position_embeddings": 4096, **c.data}
    c.only("attention_bias", False)
    for absent in ("mlp_bias", "lm_head_bias"):
        c.only(absent, False)
    for single in ("full_attn_mod", "interpolate_factor"):
        c.only(single, 1)
    reading = decoder(c, context=4096, eps=1e-5, window=c.get("sliding_window", None))
    block = reading.spec.block
    heads = (block.heads, block.kv_heads, block.kv_heads)
    fused = (
        Fused("layers.*.self_attn.qkv_proj.*", tuple(f"blocks.*.attention.{part}.*" for part in "qkv"), heads),
        Fused("layers.*.mlp.gate_up_proj.*", ("blocks.*.mlp.gate.*", "blocks.*.mlp.up.*"), (1, 1)),
    )
    return Reading(
        reading.spec, (*(rule for rule in DECODER_KEYS if isinstance(rule, Name) and rule.theirs not in APART), *fused)
    )


LAYOUTS = (Layout("phi3", read),)

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
