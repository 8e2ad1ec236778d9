"""LISA (arXiv:2308.00692): LLaVA writes [SEG], and the state before it points SAM at what was asked for.

Two layouts of the original code: the recorded form, whose config names SAM's sizes, and published folders, whose SAM is the
huge one. Published folders hold all but CLIP's tower, which the original loads from a folder of its own: it must be merged in.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chiasm.layout import Config, Layout, Reading
from chiasm.readers import CLIP_MEAN, CLIP_STD
from chiasm.spec import (
    Block,
    Causal,
    Corner,
    Decoder,
    Family,
    MaskDecoder,
    Mlp,
    Norm,
    Pixels,
    Pointing,
    Resize,
    Segment,
    Sight,
    Splice,
    WindowedViT,
)
from chiasm.towers.decoders import llama, llama_like
from chiasm.towers.lisa import CHAT, IMAGE, IN_BYTES, MARK, MARKS, ORIGINAL_EPS, PUBLISHED, whole
from chiasm.towers.llava import clip_large


def read(c: Config) -> Reading:
    """The recorded form: LLaVA's parts nested, as its own reader does not have them."""
    text = c.nest("text_config").data
    c.nested.pop()
    c.inert("loss_weights")
    c.data = {**text, **c.data}
    return whole(c, outliner(c.nest("sam")), c.get("seg_token_idx"))


def read_published(c: Config) -> Reading:
    # The tower is another folder's, named but not described.
    c.data = {"vision_config": {"image_size": 224}, **c.data}
    c.inert("train_mask_decoder", "vision_tower", "tune_mm_vision_resampler", "resume_from_checkpoint")
    return whole(c, PUBLISHED, c.get("vocab_size", 32000) - 1)


def outliner(c: Config) -> Segment:
    width, heads, side = c.get("embed_dim", 1280), c.get("num_heads", 16), c.get("img_size", 1024)
    mlp, patch = int(width * c.get("mlp_ratio", 4)), c.get("patch_size", 16)
    block = Block(width, heads, mlp, heads, width // heads, Norm("layer", 1e-6), "gelu")
    tower = WindowedViT(
        block, c.get("depth", 32), patch, side // patch, c.get("window_size", 14),
        tuple(c.get("global_attn_indexes", (7, 15, 23, 31))), c.get("out_chans", 256),
    )  # fmt: skip
    masks = MaskDecoder(
        tower.neck, tower.side, c.get("decoder_depth", 2), c.get("decoder_heads", 8), c.get("decoder_mlp_dim", 2048),
        score_depth=c.get("iou_head_depth", 3), score_width=c.get("iou_head_hidden_dim", 256), eps=ORIGINAL_EPS,
        mask_channels=c.get("mask_in_chans", 16),
    )  # fmt: skip
    return Segment(Corner(side), IN_BYTES, tower, masks)


LAYOUTS = (
    Layout("lisa", read, signs=("sam", "seg_token_idx")),
    Layout("lisa_published", read_published, signs=("train_mask_decoder", "out_dim")),
)


def lisa(text: Decoder) -> Mapping[str, Any]:
    """LLaVA 1.0 over pictures of 224 pixels, and what it points with."""
    steps, look = (Mlp(text.width, text.width, depth=1),), Pixels(CLIP_MEAN, CLIP_STD)
    sight = Sight(Resize(224, 224, "crop"), look, clip_large(224), steps, Splice(-200, named=IMAGE), MARKS)
    return {
        "decoder": text,
        "sight": sight,
        "head": Pointing(text.vocab - 1, Mlp(256, text.width, act="relu"), PUBLISHED, MARK),
    }


LLAMA_7B = llama(4096, 32, 32, 32, 11008, 32004)
LLAMA_13B = replace(LLAMA_7B, block=llama_like(5120, 40, 40, 13824, eps=1e-5), depth=40)

FAMILIES = (
    Family(
        name="lisa",
        title="LISA",
        paper="2308.00692",
        year=2023,
        layout="lisa_published",
        model=Causal(**lisa(LLAMA_7B)),
        sizes={"7b": {}, "13b": dict(lisa(LLAMA_13B))},
        reference="lisa-0",
        proof="recorded",
        chat=CHAT,
    ),
)
