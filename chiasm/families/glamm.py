"""GLaMM (arXiv:2311.03356): an answer whose phrases are each outlined, by LISA's way over pictures of 336 pixels.

What is proved is what it is composed of: LLaVA 1.5's tower, projector and decoder by theirs, and the mark that points SAM by
LISA's. Not proved is that they join in GLaMM's own code as they do here, since nothing of it was run; nor its region encoder
(GPT4RoI's, arXiv:2307.03601), which reads rectangles that a person marks in the picture into the text's `<bbox>`: tests hold
its sampling to plain arithmetic and its parts to their description, written from memory. As in the original, edges are
fractions of the whole picture, though the tower sees its middle square alone; the original also rounds maps to bfloat16, which
is not done.
"""

from dataclasses import replace

from chiasm.layout import Config, Ignored, Layout, Name, Reading, Rule, under
from chiasm.readers import CLIP_MEAN, CLIP_STD
from chiasm.spec import Causal, Family, Mlp, Pixels, Pointing, Regions, Resize, Sight, Splice
from chiasm.towers.decoders import llama
from chiasm.towers.lisa import CHAT, IMAGE, MARK, MARKS, PUBLISHED, whole
from chiasm.towers.llava import clip_large


def read(c: Config) -> Reading:
    c.inert(
        "train_mask_decoder", "vision_tower", "select_feature_type", "vision_module", "mm_use_image_start_end", "image_aspect",
        "pretrain_mm_mlp_adapter",
    )  # fmt: skip
    vocab = c.get("vocab_size", 32007)
    reading = whole(c, PUBLISHED, c.get("seg_token_idx", vocab - 3))
    mark, levels = c.get("bbox_token_idx", vocab - 5), c.get("num_level_reg_features", 4)
    if not c.get("with_region", True):
        return replace(reading, keys=(Ignored("model.region_encoder.**"), *reading.keys))
    spec = replace(reading.spec, regions=regions(mark, levels, c.get("mm_vision_select_layer", -2)))
    return replace(reading, spec=spec, keys=(*under("model.region_encoder.", "regions.", REGION_KEYS), *reading.keys))


def regions(mark: int, levels: int, last: int) -> Regions:
    """Every third state of the tower up to the one that LLaVA reads."""
    return Regions(mark, tuple(last - 3 * number for number in reversed(range(levels))), named="<bbox>")


REGION_KEYS: tuple[Rule, ...] = (
    Name("mlvl_fuse.input_conv.*.*", "enter.*.*"),
    Name("mlvl_fuse.fuse_convs.*.conv.*", "mixes.*.*"),
    Name("mlvl_fuse.fuse_convs.*.gn.*", "norms.*.*"),
    Name("roi_align.pconvs.*.*", "level.*.*"),
    Name("roi_align.flatten_linear.*", "flat.*"),
    Name("roi_align.pos_embedd.0.*", "edges1.*"),
    Name("roi_align.pos_embedd.2.*", "edges_norm1.*"),
    Name("roi_align.pos_embedd.3.*", "edges2.*"),
    Name("roi_align.pos_embedd.5.*", "edges_norm2.*"),
    Name("roi_align.updims.*", "out.*"),
)


LAYOUTS = (Layout("glamm", read, signs=("train_mask_decoder", "out_dim", "with_region")),)

VICUNA = llama(4096, 32, 32, 32, 11008, 32007)

FAMILIES = (
    Family(
        name="glamm",
        title="GLaMM",
        paper="2311.03356",
        year=2023,
        layout="glamm",
        model=Causal(
            VICUNA,
            Sight(
                Resize(336, 336, "crop"), Pixels(CLIP_MEAN, CLIP_STD), clip_large(336), (Mlp(4096, 4096),),
                Splice(-200, named=IMAGE), MARKS,
            ),
            head=Pointing(32004, Mlp(256, 4096, act="relu"), PUBLISHED, MARK), regions=regions(32002, 4, -2),
        ),
        sizes={"7b": {}},
        reference="LISA and LLaVA 1.5; the region encoder from its description, its code never run",
        proof="reduction",
        chat=CHAT.replace("<image>\\n", "The <image> provides an overview of the picture.\\n"),
    ),
)  # fmt: skip
