"""Nomic Embed Text (arXiv:2402.01613): BERT without biases, its heads turned by their places, its MLP gated by SiLU."""

from chiasm.layout import Config, Fused, Ignored, Layout, Name, Reading, Respelt, Rule, under
from chiasm.spec import Bidirectional, Block, EncodeText, Family, Norm, Rope

KEYS: tuple[Rule, ...] = (
    Respelt("bert.", ""),
    Ignored("cls.**"),
    Name("embeddings.word_embeddings.weight", "embed.weight"),
    Name("embeddings.token_type_embeddings.weight", "kind.weight"),
    Name("emb_ln.*", "embed_norm.*"),
    Fused("encoder.layers.*.attn.Wqkv.*", tuple(f"blocks.*.attention.{part}.*" for part in "qkv"), (1, 1, 1)),
    Name("encoder.layers.*.attn.out_proj.*", "blocks.*.attention.out.*"),
    Name("encoder.layers.*.norm1.*", "blocks.*.norm1.*"),
    Name("encoder.layers.*.norm2.*", "blocks.*.norm2.*"),
    Name("encoder.layers.*.mlp.fc11.*", "blocks.*.mlp.up.*"),
    Name("encoder.layers.*.mlp.fc12.*", "blocks.*.mlp.gate.*"),
    Name("encoder.layers.*.mlp.fc2.*", "blocks.*.mlp.down.*"),
)


def read(c: Config) -> Reading:
    """Two spellings: the class's own, and the first files', whose names are GPT-2's."""
    for absent in ("prenorm", "parallel_block", "parallel_block_tied_norm", "qkv_proj_bias", "use_rms_norm", "causal"):
        c.only(absent, False)
    for absent in ("mlp_fc1_bias", "mlp_fc2_bias"):
        c.only(absent, False)
    c.only("activation_function", "swiglu")
    c.only("rotary_emb_fraction", 1.0)
    c.only("rotary_emb_interleaved", False)
    c.only("rotary_scaling_factor", None)
    c.only("rotary_emb_scale_base", None)
    c.inert(
        "attn_pdrop", "embd_pdrop", "resid_pdrop", "fused_bias_fc", "fused_dropout_add_ln", "pad_vocab_size_multiple",
        "use_flash_attn", "use_xentropy", "dense_seq_output", "reorder_and_upcast_attn", "scale_attn_by_inverse_layer_idx",
        "scale_attn_weights", "summary_activation", "summary_first_dropout", "summary_proj_to_labels", "summary_type",
        "summary_use_proj", "max_trained_positions", "classifier_dropout", "last_layer_subset", "tie_word_embeddings",
        "rope_parameters",
    )  # fmt: skip
    width, heads = c.first("hidden_size", "n_embd", default=768), c.first("num_attention_heads", "n_head", default=12)
    norm = Norm("layer", c.first("layer_norm_eps", "layer_norm_epsilon", default=1e-12))
    block = Block(
        width, heads, c.first("intermediate_size", "n_inner", default=3072), heads,
        c.first("head_dim", default=width // heads), norm, c.act("hidden_act", "silu"), "gated",
        qkv_bias=False, out_bias=False, mlp_bias=False, norms="after",
    )  # fmt: skip
    fields = c.data.get("rope_parameters") or {}
    theta = c.first("rotary_emb_base", "rope_theta", default=1000.0)
    theta = fields.get("rope_theta") or theta
    spec = Bidirectional(
        block, c.first("num_hidden_layers", "n_layer", default=12), c.get("vocab_size", 30528), Rope(float(theta)),
        c.get("type_vocab_size", 2), c.first("max_position_embeddings", "n_positions", default=2048),
    )  # fmt: skip
    return Reading(EncodeText(spec, "normed mean"), under("", "text.", KEYS))


LAYOUTS = (Layout("nomic_bert", read),)

FAMILIES = (
    Family(
        name="nomic-embed-text",
        title="Nomic Embed Text",
        paper="2402.01613",
        year=2024,
        layout="nomic_bert",
        model=EncodeText(
            Bidirectional(
                Block(
                    768, 12, 3072, 12, 64, Norm("layer", 1e-12), "silu", "gated",
                    qkv_bias=False, out_bias=False, mlp_bias=False, norms="after",
                ),
                12, 30528, Rope(1000.0), 2, 8192,
            ),
            vector="normed mean",
        ),
        sizes={"v1.5": {}},
        reference="NomicBertModel",
    ),
)  # fmt: skip
