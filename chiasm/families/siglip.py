"""SigLIP (arXiv:2303.15343): two towers and a sigmoid per pair; pictures pooled by attention, texts at their last place."""

from chiasm.readers import HALF
from chiasm.spec import AttentionPool, Family, Match, Pixels, Resize, Table, TextTower, ViT
from chiasm.towers.plain import sigmoid_tower

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
            ViT(sigmoid_tower(768, 12, 3072), 12, 16, Table(14), post_norm="idle"),
            AttentionPool(3072),
            TextTower(sigmoid_tower(768, 12, 3072), 12, 32000, 64, "full", "last", 49407, 768, project_bias=True),
            "sigmoid",
        ),
        sizes={
            "b16-224": {},
            "so400m-14-384": {
                "encoder.block": sigmoid_tower(1152, 16, 4304), "encoder.depth": 27, "encoder.patch": 14,
                "encoder.position.side": 27,
                "text.block": sigmoid_tower(1152, 16, 4304), "text.depth": 27, "text.project": 1152, "pool.mlp_width": 4304,
                "views.height": 384, "views.width": 384,
            },
        },
        reference="SiglipModel",
    ),
)  # fmt: skip
