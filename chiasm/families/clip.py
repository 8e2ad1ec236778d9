"""CLIP (arXiv:2103.00020): a ViT and a causal text tower in one space; its vision tower is the eye of many VLMs."""

from chiasm.layouts.clip import OLD_END
from chiasm.readers import CLIP_MEAN, CLIP_STD
from chiasm.spec import Block, ClsProject, Family, Match, Norm, Pixels, Resize, Table, TextTower, ViT


def tower(width: int, heads: int, mlp_width: int) -> Block:
    return Block(width, heads, mlp_width, heads, width // heads, Norm("layer", 1e-5), "quick_gelu")


FAMILIES = (
    Family(
        name="clip",
        title="CLIP",
        paper="2103.00020",
        year=2021,
        layout="clip",
        model=Match(
            Resize(224, 224, "crop"),
            Pixels(CLIP_MEAN, CLIP_STD),
            ViT(tower(768, 12, 3072), 12, 32, Table(7), stem_bias=False, cls="keep", pre_norm=True, post_norm="idle"),
            ClsProject(512),
            TextTower(tower(512, 8, 2048), 12, 49408, 77, "causal", "highest", OLD_END, 512, project_bias=False),
            "softmax",
        ),
        sizes={
            "b32": {},
            "b16": {"encoder.patch": 16, "encoder.position.side": 14},
            "l14": {
                "encoder.block": tower(1024, 16, 4096), "encoder.depth": 24, "encoder.patch": 14, "encoder.position.side": 16,
                "text.block": tower(768, 12, 3072), "text.project": 768, "pool.width": 768,
            },
            "l14-336": {
                "encoder.block": tower(1024, 16, 4096), "encoder.depth": 24, "encoder.patch": 14, "encoder.position.side": 24,
                "text.block": tower(768, 12, 3072), "text.project": 768, "pool.width": 768,
                "views.height": 336, "views.width": 336,
            },
        },
        reference="CLIPModel",
    ),
)  # fmt: skip
