"""MiniCPM-V 4.6 (the line's paper: arXiv:2408.01800): slices of any shape, a SigLIP that merges its tokens early and once more
at its end, Qwen3.5."""

from chiasm.layouts.minicpmv4_6 import MARKS, merger
from chiasm.readers import HALF
from chiasm.spec import Always, Buckets, Causal, Family, MergingViT, Pixels, Sight, Slices, Splice, ViT
from chiasm.towers.plain import tower
from chiasm.towers.qwen3_5 import qwen3_5

SIGLIP = ViT(tower(1152, 16, 4304, "gelu_tanh", 1e-6), 27, 14, Buckets(70, "divided"), post_norm="applied")
EYE = MergingViT(SIGLIP, 7, 4 * 4304)

FAMILIES = (
    Family(
        name="minicpm-v-4.6",
        title="MiniCPM-V 4.6",
        paper="2408.01800",
        year=2026,
        layout="minicpmv4_6",
        model=Causal(
            qwen3_5(1024, 24, 8, 2, 3584, 16, tied=True),
            Sight(Slices(448, 9, 4), Pixels(HALF, HALF), EYE, merger(EYE, 1024), Splice(248056), MARKS),
        ),
        sizes={"1.3b": {}},
        reference="MiniCPMV4_6ForConditionalGeneration",
        numbers=Always("<image_id> before each picture, from 0, by the processor"),
    ),
)
