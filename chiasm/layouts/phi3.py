"""Folders of Phi-3, or with it as a part: fields of the config, names of the tensors."""

from chiasm.layout import Config, Fused, Layout, Name, Reading
from chiasm.readers import DECODER_KEYS, decoder

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
