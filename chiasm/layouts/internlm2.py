"""Folders of InternLM2 and 2.5, or with it as a part: fields of the config, names of the tensors."""

from chiasm.layout import Config, Fused, Ignored, Layout, Name, Reading
from chiasm.readers import decoder

KEYS = (
    Name("tok_embeddings.weight", "embed.weight"),
    Name("layers.*.attention_norm.*", "blocks.*.norm1.*"),
    Name("layers.*.ffn_norm.*", "blocks.*.norm2.*"),
    Name("layers.*.attention.wo.*", "blocks.*.attention.out.*"),
    Name("layers.*.feed_forward.w1.*", "blocks.*.mlp.gate.*"),
    Name("layers.*.feed_forward.w3.*", "blocks.*.mlp.up.*"),
    Name("layers.*.feed_forward.w2.*", "blocks.*.mlp.down.*"),
    Name("norm.weight", "norm.weight"),
    Ignored("layers.*.attention.rotary_emb.inv_freq"),
)


def read(c: Config) -> Reading:
    c.inert("attn_implementation")
    c.data = {"vocab_size": 103168, **c.data}
    bias = c.get("bias", True)
    spec = decoder(c, context=2048, eps=1e-6, qkv_bias=bias, out_bias=bias).spec
    shared, each = spec.block.kv_heads, spec.block.heads // spec.block.kv_heads
    parts = tuple(f"blocks.*.attention.{part}.*" for part in "qkv")
    fused = Fused("layers.*.attention.wqkv.*", parts, (each, 1, 1), groups=shared)
    return Reading(spec, (*KEYS, fused), head="output.weight")


LAYOUTS = (Layout("internlm2", read),)
