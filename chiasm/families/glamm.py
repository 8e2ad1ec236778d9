"""GLaMM (arXiv:2311.03356): an answer whose phrases are each outlined, by LISA's way over pictures of 336 pixels.

What is proved is what it is composed of: LLaVA 1.5's tower, projector and decoder by theirs, and the mark that points SAM by
LISA's. Not proved is that they join in GLaMM's own code as they do here, since nothing of it was run; and its region encoder,
which reads rectangles that a person marks in the picture into the text's `<bbox>`, is not here at all: its tensors are left
out, and `<bbox>` in a prompt is a word like any other.
"""

from dataclasses import replace

from chiasm.layout import Config, Ignored, Layout, Reading
from chiasm.readers import CLIP_MEAN, CLIP_STD
from chiasm.spec import Causal, Family, Mlp, Pixels, Pointing, Resize, Sight, Splice
from chiasm.towers.decoders import llama
from chiasm.towers.lisa import CHAT, IMAGE, MARK, MARKS, PUBLISHED, whole
from chiasm.towers.llava import clip_large


def read(c: Config) -> Reading:
    c.inert(
        "train_mask_decoder", "vision_tower", "with_region", "num_level_reg_features", "select_feature_type", "vision_module",
        "mm_use_image_start_end", "bbox_token_idx", "image_aspect", "pretrain_mm_mlp_adapter",
    )  # fmt: skip
    reading = whole(c, PUBLISHED, c.get("seg_token_idx", c.get("vocab_size", 32007) - 3))
    return replace(reading, keys=(Ignored("model.region_encoder.**"), *reading.keys))


LAYOUTS = (Layout("glamm", read, signs=("train_mask_decoder", "out_dim", "with_region")),)

VICUNA = llama(4096, 32, 32, 32, 11008, 32007)

FAMILIES = (
    Family(
        name="glamm",
        title="GLaMM, without its region encoder",
        paper="2311.03356",
        year=2023,
        layout="glamm",
        model=Causal(
            VICUNA,
            Sight(
                Resize(336, 336, "crop"), Pixels(CLIP_MEAN, CLIP_STD), clip_large(336), (Mlp(4096, 4096),),
                Splice(-200, named=IMAGE), MARKS,
            ),
            head=Pointing(32004, Mlp(256, 4096, act="relu"), PUBLISHED, MARK),
        ),
        sizes={"7b": {}},
        reference="LISA and LLaVA 1.5",
        proof="reduction",
        chat=CHAT.replace("<image>\\n", "The <image> provides an overview of the picture.\\n"),
    ),
)  # fmt: skip
