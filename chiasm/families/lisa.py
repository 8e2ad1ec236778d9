"""LISA (arXiv:2308.00692): LLaVA writes [SEG], and the state before it points SAM at what was asked for.

Two layouts of the original code: the recorded form, whose config names SAM's sizes, and published folders, whose SAM is the
huge one. Published folders hold all but CLIP's tower, which the original loads from a folder of its own: it must be merged in.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chiasm.layout import Config, Layout, Name, Reading, under
from chiasm.readers import CLIP_MEAN, CLIP_STD
from chiasm.spec import (
    Around,
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
from chiasm.towers.llava import clip_large
from chiasm.towers.sam import DECODER, H16, mask_keys, tower_keys

IN_BYTES = Pixels((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), 1.0, "bilinear")
"""SAM's own normalisation, of values up to 255."""
MARK, IMAGE, MARKS = "[SEG]", "<image>", Around("<im_start>", "<im_end>")
ORIGINAL_EPS = 1e-5
"""Of the decoder's norms in the original code; transformers has 1e-6 there."""


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
    return whole(c, replace(PUBLISHED, encoder=H16), c.get("vocab_size", 32000) - 1)


def whole(c: Config, outlines: Segment, mark: int) -> Reading:
    llava = c.flat("llava_llama")
    model, width = llava.spec, llava.spec.decoder.width
    fusion = replace(model.sight.fusion, named=IMAGE)
    pointing = Pointing(mark, Mlp(c.get("out_dim", 256), width, act="relu"), outlines, MARK)
    keys = (
        Name("model.text_hidden_fcs.0.0.*", "pointer.by.layers.0.*"),
        Name("model.text_hidden_fcs.0.2.*", "pointer.by.layers.1.*"),
        *under("model.visual_model.", "pointer.outlines.", (
            *under("image_encoder.", "vision.", tower_keys(outlines.encoder, "original")),
            *mask_keys(outlines.masks, "original"),
            Name("prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", "prompts.code.frequencies"),
        )),
        *llava.keys,
    )  # fmt: skip
    return Reading(replace(model, sight=replace(model.sight, fusion=fusion, marks=MARKS), head=pointing), keys)


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


PUBLISHED = Segment(Corner(1024), IN_BYTES, H16, replace(DECODER, eps=ORIGINAL_EPS))

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

CHAT = (
    "{{ 'A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, and '"
    ' + "polite answers to the human\'s questions. " }}{% for message in messages %}'
    "{% if message['role'] == 'user' %}{{ 'USER: ' }}{% else %}{{ 'ASSISTANT: ' }}{% endif %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% if message['role'] == 'user' %}{{ content['text'] + ' ' }}"
    "{% else %}{% generation %}{{ content['text'] }}{% endgeneration %}{{ '</s>' }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)

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
