"""SigLIP 2 (arXiv:2502.14786): SigLIP's towers. NaFlex keeps a picture's shape and resizes its table of places to it; the
models of fixed size are files of SigLIP's own layout with a larger vocabulary."""

from chiasm.layout import Config, Form, Layout, Name, Reading, Reshaped, under
from chiasm.readers import HALF, VIT_KEYS, pixels, vit_block
from chiasm.spec import AttentionPool, Budget, Family, Match, Pixels, Resize, Table, TextTower, ViT
from chiasm.towers.plain import POOL_KEYS, sigmoid_text, sigmoid_tower


def read_vision(c: Config) -> Reading:
    block = vit_block(c, width=768, heads=12, mlp_width=3072, act="gelu_pytorch_tanh", eps=1e-6)
    patch, side = c.get("patch_size", 16), round(c.get("num_patches", 256) ** 0.5)
    c.only("num_channels", 3)
    c.only("vision_use_head", True)
    c.inert("image_size")
    table = Table(side, "bilinear_smooth")
    spec = ViT(block, c.get("num_hidden_layers", 12), patch, table, post_norm="idle")
    numbers = 3 * patch * patch
    # The file's linear layer reads a patch with its colours innermost; a convolution's weight has them outermost.
    colours = Form((block.width, patch, patch, 3), (0, 3, 1, 2), (block.width, 3, patch, patch), (block.width, numbers))
    return Reading(spec, (Reshaped("embeddings.patch_embedding.weight", "stem.weight", colours), *VIT_KEYS))


def read(c: Config) -> Reading:
    vision, text = c.part("vision_config", "siglip2_vision_model"), c.part("text_config", "siglip2_text_model")
    views = Budget(c.pixels.get("patch_size", 16), c.pixels.get("max_num_patches", 256))
    look = pixels(c.pixels, HALF, HALF, "bilinear")
    keys = (
        *under("vision_model.", "vision.", vision.keys),
        *under("vision_model.", "pool.", POOL_KEYS),
        *under("text_model.", "text.", text.keys),
        Name("logit_scale", "logits.scale"),
        Name("logit_bias", "logits.bias"),
    )
    return Reading(Match(views, look, vision.spec, AttentionPool(vision.spec.block.mlp_width), text.spec, "sigmoid"), keys)


LAYOUTS = (Layout("siglip2", read), Layout("siglip2_vision_model", read_vision), Layout("siglip2_text_model", sigmoid_text))


TEXT = TextTower(sigmoid_tower(768, 12, 3072), 12, 256000, 64, "full", "last", 49407, 768, project_bias=True)

SO400M = {
    "encoder.block": sigmoid_tower(1152, 16, 4304), "encoder.depth": 27,
    "text.block": sigmoid_tower(1152, 16, 4304), "text.depth": 27, "text.project": 1152, "pool.mlp_width": 4304,
}  # fmt: skip

FAMILIES = (
    Family(
        name="siglip2",
        title="SigLIP 2 NaFlex",
        paper="2502.14786",
        year=2025,
        layout="siglip2",
        model=Match(
            Budget(16, 256),
            Pixels(HALF, HALF, resample="bilinear"),
            ViT(sigmoid_tower(768, 12, 3072), 12, 16, Table(16, "bilinear_smooth"), post_norm="idle"),
            AttentionPool(3072),
            TEXT,
            "sigmoid",
        ),
        sizes={"b16": {}, "so400m-16": SO400M},
        reference="Siglip2Model",
    ),
    Family(
        name="siglip2-fixed",
        title="SigLIP 2",
        paper="2502.14786",
        year=2025,
        layout="siglip",
        model=Match(
            Resize(224, 224, "squash"),
            Pixels(HALF, HALF, resample="bilinear"),
            ViT(sigmoid_tower(768, 12, 3072), 12, 16, Table(14), post_norm="idle"),
            AttentionPool(3072),
            TEXT,
            "sigmoid",
        ),
        sizes={
            "b16-224": {},
            "l16-256": {
                "encoder.block": sigmoid_tower(1024, 16, 4096), "encoder.depth": 24, "encoder.position.side": 16,
                "text.block": sigmoid_tower(1024, 16, 4096), "text.depth": 24, "text.project": 1024, "pool.mlp_width": 4096,
                "views.height": 256, "views.width": 256,
            },
            "so400m-14-224": {**SO400M, "encoder.patch": 14, "encoder.position.side": 16},
            "g16-256": {
                "encoder.block": sigmoid_tower(1536, 16, 6144), "encoder.depth": 40, "encoder.position.side": 16,
                "text.block": sigmoid_tower(1152, 16, 4304), "text.depth": 27, "text.project": 1536, "pool.mlp_width": 6144,
                "views.height": 256, "views.width": 256,
            },
        },
        reference="SiglipModel",
    ),
)  # fmt: skip
