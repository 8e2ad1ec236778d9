"""Pixtral (arXiv:2410.07073): pictures of any size, rotary places in two dimensions, a mark after each row of tokens."""

from chiasm.layout import Config, Layout, Name, Reading, Rule
from chiasm.readers import edges
from chiasm.spec import Axial, Block, Family, Norm, ViT

VISION_KEYS: tuple[Rule, ...] = (
    Name("patch_conv.weight", "stem.weight"),
    Name("ln_pre.weight", "pre_norm.weight"),
    Name("transformer.layers.*.attention_norm.weight", "blocks.*.norm1.weight"),
    Name("transformer.layers.*.ffn_norm.weight", "blocks.*.norm2.weight"),
    *(Name(f"transformer.layers.*.attention.{p}_proj.weight", f"blocks.*.attention.{p}.weight") for p in "qkv"),
    Name("transformer.layers.*.attention.o_proj.weight", "blocks.*.attention.out.weight"),
    *(Name(f"transformer.layers.*.feed_forward.{p}_proj.weight", f"blocks.*.mlp.{p}.weight") for p in ("gate", "up", "down")),
)


def read_vision(c: Config) -> Reading:
    width, heads = c.get("hidden_size", 1024), c.get("num_attention_heads", 16)
    c.only("num_channels", 3)
    c.inert("image_size", "head_dim", "rope_theta", "rope_parameters")
    rope = c.data.get("rope_parameters") or c.data
    block = Block(
        width, heads, c.get("intermediate_size", 4096), heads, width // heads, Norm("rms", 1e-5), c.act("hidden_act", "gelu"),
        "gated", qkv_bias=False, out_bias=False, mlp_bias=False,
    )  # fmt: skip
    axial = Axial(float(rope.get("rope_theta", 10000.0)), "between")
    patch = edges(c.get("patch_size", 16))[0]
    return Reading(ViT(block, c.get("num_hidden_layers", 24), patch, axial, stem_bias=False, pre_norm=True), VISION_KEYS)


LAYOUTS = (Layout("pixtral", read_vision),)
FAMILIES: tuple[Family, ...] = ()
