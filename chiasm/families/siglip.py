"""SigLIP (arXiv:2303.15343): two towers and a sigmoid per pair; pictures pooled by attention, texts at their last place."""

from chiasm.layout import Config, Layout, Name, Reading, under
from chiasm.readers import HALF, VIT_KEYS, pixels, squash, vit_block
from chiasm.spec import AttentionPool, Block, Family, Match, Norm, Pixels, Resize, Table, TextTower, ViT
from chiasm.towers.plain import POOL_KEYS, sigmoid_text


def read_vision(c: Config) -> Reading:
    block = vit_block(c, width=768, heads=12, mlp_width=3072, act="gelu_pytorch_tanh", eps=1e-6)
    patch = c.get("patch_size", 16)
    c.only("num_channels", 3)
    c.inert("vision_use_head", "projection_dim")
    spec = ViT(block, c.get("num_hidden_layers", 12), patch, Table(c.get("image_size", 224) // patch), post_norm="idle")
    return Reading(spec, VIT_KEYS)


def read(c: Config) -> Reading:
    vision, text = c.part("vision_config", "siglip_vision_model"), c.part("text_config", "siglip_text_model")
    c.inert("initializer_factor")
    views, look = squash(c.pixels, 224), pixels(c.pixels, HALF, HALF)
    keys = (
        *under("vision_model.", "vision.", vision.keys),
        *under("vision_model.", "pool.", POOL_KEYS),
        *under("text_model.", "text.", text.keys),
        Name("logit_scale", "logits.scale"),
        Name("logit_bias", "logits.bias"),
    )
    return Reading(Match(views, look, vision.spec, AttentionPool(vision.spec.block.mlp_width), text.spec, "sigmoid"), keys)


LAYOUTS = (Layout("siglip", read), Layout("siglip_vision_model", read_vision), Layout("siglip_text_model", sigmoid_text))


def tower(width: int, heads: int, mlp_width: int) -> Block:
    return Block(width, heads, mlp_width, heads, width // heads, Norm("layer", 1e-6), "gelu_tanh")


FAMILIES = (
    Family(
        name="siglip",
        title="SigLIP",
        paper="2303.15343",
        year=2023,
        layout="siglip",
        model=Match(
            Resize(224, 224, "squash"),
            Pixels(HALF, HALF),
            ViT(tower(768, 12, 3072), 12, 16, Table(14), post_norm="idle"),
            AttentionPool(3072),
            TextTower(tower(768, 12, 3072), 12, 32000, 64, "full", "last", 49407, 768, project_bias=True),
            "sigmoid",
        ),
        sizes={
            "b16-224": {},
            "so400m-14-384": {
                "encoder.block": tower(1152, 16, 4304), "encoder.depth": 27, "encoder.patch": 14, "encoder.position.side": 27,
                "text.block": tower(1152, 16, 4304), "text.depth": 27, "text.project": 1152, "pool.mlp_width": 4304,
                "views.height": 384, "views.width": 384,
            },
        },
        reference="SiglipModel",
    ),
)  # fmt: skip
