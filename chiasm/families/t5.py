"""T5 (arXiv:1910.10683) and FlanT5 (arXiv:2210.11416): a source read whole, a target written after it, distances in buckets."""

from typing import Any

from chiasm.layout import Config, Layout, Reading
from chiasm.spec import Block, EncoderDecoder, Family, Norm, Relative, Scores, Seq2Seq
from chiasm.towers.prompts import PROMPT
from chiasm.towers.t5 import feed_forward, keys


def read(c: Config) -> Reading:
    """T5's class defaults. A config that unties the head (1.1, FlanT5) also leaves hidden states unscaled before it."""
    c.inert("dropout_rate", "initializer_factor", "classifier_dropout", "is_gated_act", "n_positions", "output_past")
    width, heads = c.get("d_model", 512), c.get("num_heads", 8)
    kind, act = feed_forward(c)
    head_width = c.get("d_kv", 64)
    block = Block(
        width, heads, c.get("d_ff", 2048), heads, head_width, Norm("rms", c.get("layer_norm_epsilon", 1e-6)), act,
        "gated" if kind == "gated" else "plain", qkv_bias=False, out_bias=False, mlp_bias=False, scores=Scores(1.0),
    )  # fmt: skip
    depth, tied = c.get("num_layers", 6), c.get("tie_word_embeddings", True)
    scaled = c.get("scale_decoder_outputs", tied)
    spec = EncoderDecoder(
        block, depth, c.first("num_decoder_layers", default=depth), c.get("vocab_size", 32128),
        Relative(c.get("relative_attention_num_buckets", 32), c.get("relative_attention_max_distance", 128)),
        c.first("decoder_start_token_id", "pad_token_id", default=0), tied, "by_root_width" if scaled else "plain",
    )  # fmt: skip
    return Reading(spec, keys(kind == "gated"))


LAYOUTS = (Layout("t5", read),)


def block(width: int, heads: int, mlp_width: int, *, head_width: int = 64) -> Block:
    return Block(
        width, heads, mlp_width, heads, head_width, Norm("rms", 1e-6), "relu", "plain",
        qkv_bias=False, out_bias=False, mlp_bias=False, scores=Scores(1.0),
    )  # fmt: skip


def gated(width: int, heads: int, mlp_width: int) -> Block:
    return Block(
        width, heads, mlp_width, heads, 64, Norm("rms", 1e-6), "gelu_tanh", "gated",
        qkv_bias=False, out_bias=False, mlp_bias=False, scores=Scores(1.0),
    )  # fmt: skip


def size(of: Block, depth: int) -> dict[str, Any]:
    return {"language.block": of, "language.source": depth, "language.target": depth}


BUCKETS = Relative(32, 128)

FAMILIES = (
    Family(
        name="t5",
        title="T5",
        paper="1910.10683",
        year=2019,
        layout="t5",
        model=Seq2Seq(EncoderDecoder(block(512, 8, 2048), 6, 6, 32128, BUCKETS, 0, True, "by_root_width")),
        sizes={
            "small": {},
            "base": size(block(768, 12, 3072), 12),
            "large": size(block(1024, 16, 4096), 24),
            "3b": size(block(1024, 32, 16384, head_width=128), 24),
        },
        reference="T5ForConditionalGeneration",
        chat=PROMPT,
    ),
    Family(
        name="flan-t5",
        title="FlanT5",
        paper="2210.11416",
        year=2022,
        layout="t5",
        model=Seq2Seq(EncoderDecoder(gated(512, 6, 1024), 8, 8, 32128, BUCKETS, 0, tied=False)),
        sizes={
            "small": {},
            "base": size(gated(768, 12, 2048), 12),
            "large": size(gated(1024, 16, 2816), 24),
            "xl": size(gated(2048, 32, 5120), 24),
            "xxl": size(gated(4096, 64, 10240), 24),
        },
        reference="T5ForConditionalGeneration",
        chat=PROMPT,
    ),
)
