"""BERT's block and names of tensors, which its descendants keep."""

from chiasm.layout import Config, Ignored, Name, Rule
from chiasm.spec import Block, Norm

LAYERS = (
    ("attention.self.query.*", "attention.q.*"),
    ("attention.self.key.*", "attention.k.*"),
    ("attention.self.value.*", "attention.v.*"),
    ("attention.output.dense.*", "attention.out.*"),
    ("intermediate.dense.*", "mlp.up.*"),
    ("output.dense.*", "mlp.down.*"),
)

BERT_KEYS: tuple[Rule, ...] = (
    Ignored("embeddings.position_ids"),
    # The first files call a norm's weight gamma and its bias beta.
    *(
        Name(f"{theirs}LayerNorm.{old}", f"{ours}.{new}")
        for new, old in (("weight", "weight"), ("bias", "bias"), ("weight", "gamma"), ("bias", "beta"))
        for theirs, ours in (
            ("embeddings.", "embed_norm"),
            ("encoder.layer.*.attention.output.", "blocks.*.norm1"),
            ("encoder.layer.*.output.", "blocks.*.norm2"),
        )
    ),
    Name("embeddings.word_embeddings.weight", "embed.weight"),
    Name("embeddings.position_embeddings.weight", "position.weight"),
    Name("embeddings.token_type_embeddings.weight", "kind.weight"),
    *(Name(f"encoder.layer.*.{theirs}", f"blocks.*.{ours}") for theirs, ours in LAYERS),
    Name("pooler.dense.*", "pool.*"),
)


def post_norm(width: int, heads: int, eps: float = 1e-12) -> Block:
    """A block as BERT has it, its norms after the sums."""
    return Block(width, heads, 4 * width, heads, width // heads, Norm("layer", eps), "gelu", norms="after")


def bert_block(c: Config, eps: float = 1e-12) -> Block:
    """The block that a config of BERT's fields describes."""
    width, heads = c.get("hidden_size", 768), c.get("num_attention_heads", 12)
    return Block(
        width, heads, c.get("intermediate_size", 3072), heads, width // heads, Norm("layer", c.get("layer_norm_eps", eps)),
        c.act("hidden_act", "gelu"), norms="after",
    )  # fmt: skip
