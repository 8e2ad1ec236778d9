"""What BLIP-2 and its descendants share, as data: EVA's giant tower, the Q-Former, their names in files, their prompts."""

from dataclasses import replace

from chiasm.layout import Config, Fused, Name, Reading, Reshaped, Rule, alone, rows, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, head_keys, pixels, squash, vit_block
from chiasm.spec import (
    Ahead,
    Block,
    Causal,
    Decoder,
    EncoderDecoder,
    Mlp,
    Norm,
    Pixels,
    QFormer,
    Recut,
    Relative,
    Resize,
    Scores,
    Seq2Seq,
    Sight,
    Splice,
    Step,
    Table,
    ViT,
    Words,
)
from chiasm.towers.bert import bert_block

UNSEEN = -200
"""The id of pictures where a config names none: their visual tokens stand before the text all the same."""

LOOK = Pixels(CLIP_MEAN, CLIP_STD)
VIEW = Resize(224, 224, "squash")


def eye(depth: int = 39) -> ViT:
    """EVA-CLIP's giant tower (arXiv:2303.15389) without its last block, keys' biases stored as zeros."""
    block = Block(1408, 16, 6144, 16, 88, Norm("layer", 1e-6), "gelu")
    return ViT(block, depth, 14, Table(16), cls="keep", post_norm="applied")


def queries(words: Words | None = None) -> QFormer:
    """Thirty-two of them, over BERT's base block (arXiv:2301.12597)."""
    return QFormer(Block(768, 12, 3072, 12, 64, Norm("layer", 1e-12), "gelu", norms="after"), 12, 32, words=words)


BERT_WORDS = Words(30523, 512)
"""BERT's vocabulary with one id more, for the beginning of what is written."""


def sight(width: int, words: Words | None = None) -> Sight:
    """How all of them see, for a language model of so many numbers."""
    steps = (queries(words), Mlp(width, width, depth=1))
    return Sight(VIEW, LOOK, eye(), steps, Splice(UNSEEN), Ahead())


def flan(width: int, heads: int, mlp_width: int) -> EncoderDecoder:
    """FlanT5 (arXiv:2210.11416) with the exact activation instead of its tanh form."""
    block = Block(
        width, heads, mlp_width, heads, 64, Norm("rms", 1e-6), "gelu", "gated",
        qkv_bias=False, out_bias=False, mlp_bias=False, scores=Scores(1.0),
    )  # fmt: skip
    return EncoderDecoder(block, 24, 24, 32128, Relative(32, 128), 0, tied=False)


# --- readers ----------------------------------------------------------------------------------------------------------------


def read_eye(c: Config) -> Reading:
    block = vit_block(c, width=1408, heads=16, mlp_width=6144, act="gelu", eps=1e-6)
    block = replace(block, qkv_bias=c.get("qkv_bias", True))
    c.only("num_channels", 3)
    c.inert("projection_dim")
    patch, side = c.get("patch_size", 14), c.get("image_size", 224)
    spec = ViT(
        block, c.get("num_hidden_layers", 39), patch, Table(side // patch), cls="keep", post_norm="applied"
    )  # fmt: skip
    return Reading(spec, eye_keys(block.width))


def eye_keys(width: int) -> tuple[Rule, ...]:
    attention = ("attention.q", "attention.k", "attention.v")
    return (
        Reshaped("embeddings.class_embedding", "cls", alone(2)),
        Reshaped("embeddings.position_embedding", "position.weight", rows(width)),
        Name("embeddings.patch_embedding.*", "stem.*"),
        *(
            Fused(f"encoder.layers.*.self_attn.qkv.{kind}", tuple(f"blocks.*.{part}.{kind}" for part in attention), (1, 1, 1))
            for kind in ("weight", "bias")
        ),
        Name("encoder.layers.*.self_attn.projection.*", "blocks.*.attention.out.*"),
        Name("encoder.layers.*.layer_norm1.*", "blocks.*.norm1.*"),
        Name("encoder.layers.*.layer_norm2.*", "blocks.*.norm2.*"),
        Name("encoder.layers.*.mlp.fc1.*", "blocks.*.mlp.up.*"),
        Name("encoder.layers.*.mlp.fc2.*", "blocks.*.mlp.down.*"),
        Name("post_layernorm.*", "post_norm.*"),
    )


def read_queries(c: Config) -> Reading:
    """The Q-Former without the number of its queries, which the whole model's config says."""
    c.only("position_embedding_type", "absolute")
    c.inert("classifier_dropout", "encoder_hidden_size", "gradient_checkpointing")
    block = bert_block(c)
    words = Words(c.get("vocab_size", 30522), c.get("max_position_embeddings", 512))
    every, depth = c.get("cross_attention_frequency", 2), c.get("num_hidden_layers", 12)
    return Reading(QFormer(block, depth, 0, every, words), QFORMER_KEYS)


LAYERS = (
    ("attention.attention.query.*", "attention.q.*"),
    ("attention.attention.key.*", "attention.k.*"),
    ("attention.attention.value.*", "attention.v.*"),
    ("attention.output.dense.*", "attention.out.*"),
    ("attention.output.LayerNorm.*", "norm1.*"),
    ("crossattention.attention.query.*", "cross.q.*"),
    ("crossattention.attention.key.*", "cross.k.*"),
    ("crossattention.attention.value.*", "cross.v.*"),
    ("crossattention.output.dense.*", "cross.out.*"),
    ("crossattention.output.LayerNorm.*", "norm_cross.*"),
    ("intermediate_query.dense.*", "mlp.up.*"),
    ("output_query.dense.*", "mlp.down.*"),
    ("output_query.LayerNorm.*", "norm2.*"),
    ("intermediate.dense.*", "mlp_words.up.*"),
    ("output.dense.*", "mlp_words.down.*"),
    ("output.LayerNorm.*", "norm_words.*"),
)
QFORMER_KEYS = tuple(Name(f"encoder.layer.*.{theirs}", f"blocks.*.{ours}") for theirs, ours in LAYERS)


def written(c: Config, vision: Reading, asks: QFormer, text: Reading, keys: tuple[Rule, ...]) -> Reading:
    """A whole model that writes; `keys` are those of the Q-Former, which differ."""
    language, causal = text.spec, isinstance(text.spec, Decoder)
    steps: tuple[Step, ...] = (asks, Mlp(language.width, language.width, depth=1))
    if causal and language.inner != language.width:
        steps = (*steps, Recut(language.inner))
    image = c.first("image_token_index", "image_token_id", default=UNSEEN)
    views, look = squash(c.pixels, c.pixels.default(384, 224)), pixels(c.pixels, CLIP_MEAN, CLIP_STD)
    shown = Sight(views, look, vision.spec, steps, Splice(image), Ahead())
    prefix = "language_model.model." if causal else "language_model."
    return Reading(
        Causal(text.spec, shown) if causal else Seq2Seq(text.spec, shown),
        (
            *under("vision_model.", "vision.", vision.keys),
            *under("", "connect.steps.0.", keys),
            Reshaped("query_tokens", "connect.steps.0.queries", rows(asks.block.width)),
            Name("language_projection.*", "connect.steps.1.layers.0.*"),
            *under(prefix, "language.", text.keys),
            *head_keys("language_model.lm_head.weight", language.tied),
        ),
    )
