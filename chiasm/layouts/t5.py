"""Folders of T5, or with it as a part: fields of the config, names of the tensors."""

from chiasm.layout import Config, Layout, Reading
from chiasm.spec import Block, EncoderDecoder, Norm, Relative, Scores
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
    depth, tied = c.get("num_layers", 6), c.first("tie_word_embeddings", default=True)
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
