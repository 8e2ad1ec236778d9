"""OPT (arXiv:2205.01068): learned positions, LayerNorm, plain MLPs with ReLU."""

from typing import Any, Literal

from chiasm.layout import Config, Layout, Name, Reading, under
from chiasm.spec import Block, Causal, Decoder, Family, Learned, Norm

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


def size(width: int, heads: int, depth: int) -> dict[str, Any]:
    return {"decoder.block": block(width, heads), "decoder.depth": depth}


FAMILIES = (
    Family(
        name="opt",
        title="OPT",
        paper="2205.01068",
        year=2022,
        layout="opt",
        model=Causal(Decoder(block(768, 12), 12, 50272, Learned(2048, before=2), 2048, tied=True)),
        sizes={
            "125m": {},
            "350m": {"decoder.block": block(1024, 16, "after"), "decoder.depth": 24, "decoder.embed_width": 512},
            "1.3b": size(2048, 32, 24),
            "2.7b": size(2560, 32, 32),
            "6.7b": size(4096, 32, 32),
            "13b": size(5120, 40, 40),
            "30b": size(7168, 56, 48),
        },
        reference="OPTForCausalLM",
    ),
)
