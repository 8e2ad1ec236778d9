"""Folders of OPT, or with it as a part: fields of the config, names of the tensors."""

from typing import Literal

from chiasm.layout import Config, Layout, Name, Reading, under
from chiasm.spec import Block, Decoder, Learned, Norm

KEYS = (
    Name("embed_tokens.weight", "embed.weight"),
    Name("embed_positions.weight", "position.weight"),
    Name("project_in.weight", "embed.lead.weight"),
    Name("project_out.weight", "leave.weight"),
    Name("layers.*.self_attn_layer_norm.*", "blocks.*.norm1.*"),
    Name("layers.*.final_layer_norm.*", "blocks.*.norm2.*"),
    Name("layers.*.self_attn.q_proj.*", "blocks.*.attention.q.*"),
    Name("layers.*.self_attn.k_proj.*", "blocks.*.attention.k.*"),
    Name("layers.*.self_attn.v_proj.*", "blocks.*.attention.v.*"),
    Name("layers.*.self_attn.out_proj.*", "blocks.*.attention.out.*"),
    Name("layers.*.fc1.*", "blocks.*.mlp.up.*"),
    Name("layers.*.fc2.*", "blocks.*.mlp.down.*"),
    Name("final_layer_norm.*", "norm.*"),
)


def read(c: Config) -> Reading:
    c.inert("activation_dropout", "layerdrop", "init_std")
    c.only("layer_norm_elementwise_affine", True)
    c.only("_remove_final_layer_norm", False)
    width, heads = c.get("hidden_size", 768), c.get("num_attention_heads", 12)
    bias = c.get("enable_bias", True)
    block = Block(
        width, heads, c.get("ffn_dim", 3072), heads, width // heads, Norm("layer", 1e-5),
        c.act("activation_function", "relu"), qkv_bias=bias, out_bias=bias, mlp_bias=bias,
        norms="before" if c.get("do_layer_norm_before", True) else "after",
    )  # fmt: skip
    positions, inner = c.get("max_position_embeddings", 2048), c.first("word_embed_proj_dim", default=width)
    spec = Decoder(
        block, c.get("num_hidden_layers", 12), c.get("vocab_size", 50272), Learned(positions, before=2), positions,
        tied=c.get("tie_word_embeddings", True), embed_width=None if inner == width else inner,
    )  # fmt: skip
    return Reading(spec, under("decoder.", "", KEYS))


LAYOUTS = (Layout("opt", read),)


def block(width: int, heads: int, norms: Literal["before", "after"] = "before") -> Block:
    return Block(width, heads, 4 * width, heads, width // heads, Norm("layer", 1e-5), "relu", norms=norms)
