"""GPT-NeoX's decoder (arXiv:2204.06745) as data: LayerNorm, biases, heads turned in part, both branches of one state."""

from chiasm.layout import Config, Fused, Ignored, Name, Reading, Rule
from chiasm.readers import rope
from chiasm.spec import Block, Decoder, Norm


def keys(heads: int) -> tuple[Rule, ...]:
    """Queries, keys and values stand head by head in one tensor."""
    parts = tuple(f"blocks.*.attention.{part}" for part in "qkv")
    return (
        Name("embed_in.weight", "embed.weight"),
        Name("layers.*.input_layernorm.*", "blocks.*.norm1.*"),
        Name("layers.*.post_attention_layernorm.*", "blocks.*.norm2.*"),
        *(
            Fused(f"layers.*.attention.query_key_value.{kind}", tuple(f"{p}.{kind}" for p in parts), (1, 1, 1), groups=heads)
            for kind in ("weight", "bias")
        ),
        Name("layers.*.attention.dense.*", "blocks.*.attention.out.*"),
        Name("layers.*.mlp.dense_h_to_4h.*", "blocks.*.mlp.up.*"),
        Name("layers.*.mlp.dense_4h_to_h.*", "blocks.*.mlp.down.*"),
        Name("final_layer_norm.*", "norm.*"),
        *(Ignored(f"layers.*.attention.{name}") for name in ("bias", "masked_bias", "rotary_emb.inv_freq")),
    )


def read(c: Config) -> Reading:
    """The published class's defaults; older files say the share of a head and the base in words of their own."""
    c.data = {"rope_theta": c.data.get("rotary_emb_base"), "partial_rotary_factor": c.data.get("rotary_pct", 0.25), **c.data}
    c.inert("rotary_emb_base", "rotary_pct", "hidden_dropout", "classifier_dropout")
    width, heads, bias = c.get("hidden_size", 6144), c.get("num_attention_heads", 64), c.get("attention_bias", True)
    norm = Norm("layer", c.get("layer_norm_eps", 1e-5))
    block = Block(
        width, heads, c.get("intermediate_size", 24576), heads, width // heads, norm, c.act("hidden_act", "gelu"),
        qkv_bias=bias, out_bias=bias, norms="beside" if c.get("use_parallel_residual", True) else "before",
    )  # fmt: skip
    context = c.get("max_position_embeddings", 2048)
    spec = Decoder(
        block, c.get("num_hidden_layers", 44), c.get("vocab_size", 50432), rope(c, 10000.0, 2048), context,
        c.get("tie_word_embeddings", False),
    )  # fmt: skip
    return Reading(spec, keys(heads), head="embed_out.weight", body="gpt_neox.")
