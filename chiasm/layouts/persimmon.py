"""Folders of Persimmon, or with it as a part: fields of the config, names of the tensors."""

from chiasm.layout import Config, Fused, Layout, Name, Reading, Rule
from chiasm.readers import rope
from chiasm.spec import Block, Decoder, Norm


def keys(heads: int) -> tuple[Rule, ...]:
    parts = tuple(f"blocks.*.attention.{part}.*" for part in "qkv")
    return (
        Name("embed_tokens.weight", "embed.weight"),
        Name("layers.*.input_layernorm.*", "blocks.*.norm1.*"),
        Name("layers.*.post_attention_layernorm.*", "blocks.*.norm2.*"),
        Fused("layers.*.self_attn.query_key_value.*", parts, (1, 1, 1), groups=heads),
        Name("layers.*.self_attn.dense.*", "blocks.*.attention.out.*"),
        Name("layers.*.self_attn.q_layernorm.*", "blocks.*.attention.q_norm.*"),
        Name("layers.*.self_attn.k_layernorm.*", "blocks.*.attention.k_norm.*"),
        Name("layers.*.mlp.dense_h_to_4h.*", "blocks.*.mlp.up.*"),
        Name("layers.*.mlp.dense_4h_to_h.*", "blocks.*.mlp.down.*"),
        Name("final_layernorm.*", "norm.*"),
    )


def read(c: Config) -> Reading:
    c.data = {"partial_rotary_factor": 0.5, **c.data}
    c.inert("hidden_dropout")
    width, heads = c.get("hidden_size", 4096), c.get("num_attention_heads", 64)
    norm = Norm("layer", c.get("layer_norm_eps", 1e-5))
    block = Block(
        width, heads, c.get("intermediate_size", 16384), heads, width // heads, norm, c.act("hidden_act", "relu2"),
        qk_norm=norm if c.get("qk_layernorm", True) else None,
    )  # fmt: skip
    context = c.get("max_position_embeddings", 16384)
    spec = Decoder(
        block, c.get("num_hidden_layers", 36), c.get("vocab_size", 262144), rope(c, 25000.0, context), context,
        c.get("tie_word_embeddings", False),
    )  # fmt: skip
    return Reading(spec, keys(heads))


LAYOUTS = (Layout("persimmon", read),)
