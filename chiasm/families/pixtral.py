"""Pixtral (arXiv:2410.07073): pictures of any size, rotary places in two dimensions, a mark after each row of tokens."""

from chiasm.layout import Config, Layout, Name, Reading, Rule
from chiasm.readers import CLIP_MEAN, CLIP_STD, edges
from chiasm.spec import (
    Axial,
    Block,
    Causal,
    Decoder,
    Family,
    Longest,
    Mlp,
    Norm,
    Pixels,
    Rope,
    RowEnds,
    Sight,
    Splice,
    ViT,
)
from chiasm.towers.decoders import llama_like

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
    c.inert("image_size", "head_dim", "tie_word_embeddings", "rope_theta", "rope_parameters")
    rope = c.data.get("rope_parameters") or c.data
    block = Block(
        width, heads, c.get("intermediate_size", 4096), heads, width // heads, Norm("rms", 1e-5), c.act("hidden_act", "gelu"),
        "gated", qkv_bias=False, out_bias=False, mlp_bias=False,
    )  # fmt: skip
    axial = Axial(float(rope.get("rope_theta", 10000.0)), columns="between")
    patch = edges(c.get("patch_size", 16))[0]
    return Reading(ViT(block, c.get("num_hidden_layers", 24), patch, axial, stem_bias=False, pre_norm=True), VISION_KEYS)


LAYOUTS = (Layout("pixtral", read_vision),)


def pixtral(eye: Block, eye_depth: int, text: Decoder, bias: bool) -> Causal:
    tower = ViT(eye, eye_depth, 16, Axial(10000.0, columns="between"), stem_bias=False, pre_norm=True)
    steps = (Mlp(text.width, text.width, bias=bias),)
    marks = RowEnds("[IMG_BREAK]", "[IMG_END]")
    return Causal(text, Sight(Longest(1024, 16), Pixels(CLIP_MEAN, CLIP_STD), tower, steps, Splice(10), marks))


NEMO = Decoder(llama_like(5120, 32, 8, 14336, head_width=128, eps=1e-5), 40, 131072, Rope(1000000000.0), 1024000)
MISTRAL_LARGE = Decoder(llama_like(12288, 96, 8, 28672, eps=1e-5), 88, 32768, Rope(1000000.0), 131072)
LARGE = pixtral(llama_like(1664, 16, 16, 8192, eps=1e-5), 48, MISTRAL_LARGE, False)

FAMILIES = (
    Family(
        name="pixtral",
        title="Pixtral",
        paper="2410.07073",
        year=2024,
        layout="llava",
        model=pixtral(llama_like(1024, 16, 16, 4096, eps=1e-5), 24, NEMO, True),
        sizes={"12b": {}, "124b": {"decoder": LARGE.decoder, "sight": LARGE.sight}},
        reference="LlavaForConditionalGeneration",
    ),
)
