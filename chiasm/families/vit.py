"""ViT (arXiv:2010.11929): pictures as words of 16 x 16 pixels, a class token that stands for the whole."""

from chiasm.layout import Config, Ignored, Layout, Name, Reading, Rule, under
from chiasm.readers import HALF, pixels, squash
from chiasm.spec import Block, ClsProject, Encode, Family, Norm, Pixels, Pool, Resize, Table, Tanh, ViT
from chiasm.towers.plain import encoder_keys

OWN = (
    Name("encoder.layer.*.layernorm_before.*", "blocks.*.norm1.*"),
    Name("encoder.layer.*.layernorm_after.*", "blocks.*.norm2.*"),
    Name("encoder.layer.*.intermediate.dense.*", "blocks.*.mlp.up.*"),
    Name("encoder.layer.*.output.dense.*", "blocks.*.mlp.down.*"),
    Ignored("embeddings.mask_token"),
)


def read(c: Config) -> Reading:
    width, heads = c.get("hidden_size", 768), c.get("num_attention_heads", 12)
    block = Block(
        width, heads, c.get("intermediate_size", 3072), heads, width // heads, Norm("layer", c.get("layer_norm_eps", 1e-12)),
        c.act("hidden_act", "gelu"), qkv_bias=c.get("qkv_bias", True),
    )  # fmt: skip
    c.only("num_channels", 3)
    c.only("pooler_act", "tanh")
    c.only("pooler_output_size", width)
    c.inert("encoder_stride")
    side, patch = c.get("image_size", 224), c.get("patch_size", 16)
    spec = ViT(block, c.get("num_hidden_layers", 12), patch, Table(side // patch), cls="keep", post_norm="applied")
    views, look = squash(c.pixels, side), pixels(c.pixels, HALF, HALF, "bilinear")
    pool, prefix, head = _head(c)
    rules = (*under(prefix, "vision.", (*encoder_keys(width), *OWN)), *head)
    return Reading(Encode(views, look, spec, pool), rules)


def _head(c: Config) -> tuple[Pool, str, tuple[Rule, ...]]:
    """A classifier's own head, or the pooler of the encoder alone."""
    if "ViTForImageClassification" in (c.data.get("architectures") or ()):
        labels = len(c.data.get("id2label") or ()) or c.get("num_labels", 2)
        return ClsProject(labels, bias=True), "vit.", (Name("classifier.*", "pool.project.*"), Ignored("vit.pooler.**"))
    return Tanh(), "", (Name("pooler.dense.*", "pool.dense.*"),)


LAYOUTS = (Layout("vit", read),)


def tower(width: int, heads: int) -> Block:
    return Block(width, heads, 4 * width, heads, width // heads, Norm("layer", 1e-12), "gelu")


FAMILIES = (
    Family(
        name="vit",
        title="ViT",
        paper="2010.11929",
        year=2020,
        layout="vit",
        model=Encode(
            Resize(224, 224, "squash"),
            Pixels(HALF, HALF, resample="bilinear"),
            ViT(tower(768, 12), 12, 16, Table(14), cls="keep", post_norm="applied"),
            Tanh(),
        ),
        sizes={
            "b16": {},
            "l16": {"encoder.block": tower(1024, 16), "encoder.depth": 24},
            "h14": {
                "encoder.block": tower(1280, 16), "encoder.depth": 32, "encoder.patch": 14, "encoder.position.side": 16,
            },
        },
        reference="ViTModel",
    ),
)  # fmt: skip
