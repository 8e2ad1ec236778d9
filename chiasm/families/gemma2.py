"""Gemma 2 (arXiv:2408.00118): Gemma with norms after attention and MLP too, scores and logits bent by tanh, and a window in
every other layer."""

from dataclasses import replace
from typing import Any

from chiasm.errors import BadConfig
from chiasm.layout import Config, Layout, Name, Reading
from chiasm.readers import DECODER_KEYS
from chiasm.spec import Block, Causal, Decoder, Family, Norm, Rope, Scores
from chiasm.towers.decoders import gemma_like

AROUND = (
    Name("layers.*.post_attention_layernorm.*", "blocks.*.norm1_after.*"),
    Name("layers.*.pre_feedforward_layernorm.*", "blocks.*.norm2.*"),
    Name("layers.*.post_feedforward_layernorm.*", "blocks.*.norm2_after.*"),
)


def read(c: Config) -> Reading:
    sizes = {
        "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26, "num_attention_heads": 8,
        "num_key_value_heads": 4,
    }  # fmt: skip
    spec = gemma_like(c, sizes).spec
    c.inert("cache_implementation")
    kinds = c.get("layer_types", None)
    wanted = ["full_attention" if layer % 2 else "sliding_attention" for layer in range(spec.depth)]
    if kinds is not None and kinds != wanted:
        raise BadConfig(f"{c.path}: layer_types = {kinds} is not supported; sliding and full in turns is")
    scores = Scores(c.get("query_pre_attn_scalar", 256) ** -0.5, c.get("attn_logit_softcapping", 50.0))
    spec = replace(
        spec, block=replace(spec.block, norms="both", scores=scores), window=c.get("sliding_window", 4096), full_every=2,
        logit_cap=c.get("final_logit_softcapping", 30.0),
    )  # fmt: skip
    keys = tuple(rule for rule in DECODER_KEYS if not (isinstance(rule, Name) and rule.theirs == AROUND[0].theirs))
    return Reading(spec, (*keys, *AROUND))


LAYOUTS = (Layout("gemma2", read),)


def block(width: int, heads: int, kv_heads: int, mlp_width: int, head_width: int = 256, scale: int = 256) -> Block:
    """`scale`: what the scores are divided by the root of, the head's own width but in 27B."""
    return Block(
        width, heads, mlp_width, kv_heads, head_width, Norm("rms", 1e-6, "from_one"), "gelu_tanh", "gated",
        qkv_bias=False, out_bias=False, mlp_bias=False, norms="both", scores=Scores(scale**-0.5, 50.0),
    )  # fmt: skip


SMALLEST = Decoder(
    block(2304, 8, 4, 9216), 26, 256000, Rope(10000.0), 8192, tied=True, window=4096, full_every=2, embed_scale="root_width",
    logit_cap=30.0,
)  # fmt: skip
SIZES: dict[str, dict[str, Any]] = {
    "2b": {},
    "9b": {"decoder.block": block(3584, 16, 8, 14336), "decoder.depth": 42},
    "27b": {"decoder.block": block(4608, 32, 16, 36864, 128, 144), "decoder.depth": 46},
}

FAMILIES = (
    Family(
        name="gemma-2",
        title="Gemma 2",
        paper="2408.00118",
        year=2024,
        layout="gemma2",
        model=Causal(SMALLEST),
        sizes=SIZES,
        reference="Gemma2ForCausalLM",
    ),
)
