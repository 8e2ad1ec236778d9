"""UDOP (arXiv:2212.02623): T5 over the words of a page, each with the patch that its box lies in, and over the patches left."""

from chiasm.errors import BadConfig
from chiasm.layout import Config, Form, Ignored, Layout, Name, Reading, Reshaped, Rule, under
from chiasm.readers import HALF, head_keys, pixels, squash
from chiasm.spec import (
    AddByBox,
    Block,
    BoxPlaces,
    Carried,
    EncoderDecoder,
    Family,
    Flat,
    Mlp,
    Norm,
    Pixels,
    Relative,
    Resize,
    Scores,
    Seq2Seq,
    Sight,
)
from chiasm.towers.sam import IMAGENET_MEAN, IMAGENET_STD
from chiasm.towers.t5 import feed_forward, keys

LINE, PAGE = Relative(32, 128), Relative(32, 100)
"""How distances in the text and on the page are told, whatever a config says beside them."""

BIASES = [{"type": kind} for kind in ("1d", "horizontal", "vertical")]


def read(c: Config) -> Reading:
    c.inert("dropout_rate", "initializer_factor", "dense_act_fn", "is_gated_act", "tie_word_embeddings")
    c.only("relative_attention_num_buckets", LINE.buckets)
    c.only("relative_attention_max_distance", LINE.furthest)
    c.only("relative_bias_args", BIASES)
    c.only("num_channels", 3)
    width, heads = c.get("d_model", 1024), c.get("num_heads", 16)
    kind, act = feed_forward(c)
    block = Block(
        width, heads, c.get("d_ff", 4096), heads, c.get("d_kv", 64), Norm("rms", c.get("layer_norm_epsilon", 1e-6)), act,
        "gated" if kind == "gated" else "plain", qkv_bias=False, out_bias=False, mlp_bias=False, scores=Scores(1.0),
    )  # fmt: skip
    depth, patch = c.get("num_layers", 24), c.get("patch_size", 16)
    language = EncoderDecoder(
        block, depth, c.first("num_decoder_layers", default=depth), c.get("vocab_size", 33201), LINE,
        c.first("decoder_start_token_id", "pad_token_id", default=0), head_scale="by_root_width",
        boxes=BoxPlaces(c.get("max_2d_position_embeddings", 1024), PAGE),
    )  # fmt: skip
    rules = (*under("", "language.", keys(kind == "gated")), *head_keys("lm_head.weight", tied=True), *page_keys(width, patch))
    return Reading(Seq2Seq(language, sight(c, language, patch)), rules)


def sight(c: Config, language: EncoderDecoder, patch: int) -> Sight:
    c.pixels.inert("apply_ocr", "ocr_lang", "tesseract_config")
    views, side = squash(c.pixels, 224), c.get("image_size", 224)
    if (views.height, views.width) != (side, side):
        raise BadConfig(f"{c.pixels.path}: size = {views.height} x {views.width} is not supported; image_size, {side}, is")
    return page(views, pixels(c.pixels, HALF, HALF, "bilinear"), language, patch)


def page(views: Resize, look: Pixels, language: EncoderDecoder, patch: int) -> Sight:
    """The decoder's own patches and distances on the page, which nothing reads, are carried."""
    width, heads = language.width, language.block.heads
    carried = Carried((
        ("patches.weight", (width, 3, patch, patch)), ("patches.bias", (width,)),
        *((f"{way}.weight", (PAGE.buckets, heads)) for way in ("across", "down")),
    ))  # fmt: skip
    return Sight(views, look, Flat(patch), (Mlp(width, width, depth=1),), AddByBox(), carried=carried)


def page_keys(width: int, patch: int) -> tuple[Rule, ...]:
    kernel = (width, 3, patch, patch)
    flat = Form(kernel, (0, 1, 2, 3), (width, 3 * patch * patch), kernel)
    biases = "relative_bias.biases.{}.relative_attention_bias.weight"
    return (
        Reshaped("patch_embed.proj.weight", "connect.steps.0.layers.0.weight", flat),
        Name("patch_embed.proj.bias", "connect.steps.0.layers.0.bias"),
        Name("encoder.cell_2d_embedding.x_position_embeddings.weight", "language.encoder.edges.x.weight"),
        Name("encoder.cell_2d_embedding.y_position_embeddings.weight", "language.encoder.edges.y.weight"),
        Name(f"encoder.{biases.format(1)}", "language.encoder.page.across.weight"),
        Name(f"encoder.{biases.format(2)}", "language.encoder.page.down.weight"),
        Name("decoder.embed_patches.proj.*", "carried.patches.*"),
        Name(f"decoder.{biases.format(1)}", "carried.across.weight"),
        Name(f"decoder.{biases.format(2)}", "carried.down.weight"),
        Ignored("encoder.embed_patches.proj.*"),
        Ignored(f"*.{biases.format(0)}"),
    )


LAYOUTS = (Layout("udop", read),)

BLOCK = Block(
    1024, 16, 4096, 16, 64, Norm("rms", 1e-6), "relu", qkv_bias=False, out_bias=False, mlp_bias=False, scores=Scores(1.0)
)
LARGE = EncoderDecoder(BLOCK, 24, 24, 33201, LINE, 0, head_scale="by_root_width", boxes=BoxPlaces(1024, PAGE))
LOOK = Pixels(IMAGENET_MEAN, IMAGENET_STD, resample="bilinear")

FAMILIES = (
    Family(
        name="udop",
        title="UDOP",
        paper="2212.02623",
        year=2022,
        layout="udop",
        model=Seq2Seq(LARGE, page(Resize(224, 224, "squash"), LOOK, LARGE, 16)),
        sizes={"large": {}},
        reference="UdopForConditionalGeneration",
    ),
)
