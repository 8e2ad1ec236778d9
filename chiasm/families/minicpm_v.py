"""MiniCPM-V 2.6 (arXiv:2408.01800): slices of any shape, SigLIP, one reading of 64 queries a slice, Qwen2.

The resampler of OmniLMM, from which its own descends, is read as a connector by itself.
"""

from dataclasses import replace

from chiasm.layout import Config, Ignored, Layout, Reading, Respelt, under
from chiasm.readers import HALF, VIT_KEYS, head_keys, pixels, vit_block
from chiasm.spec import Always, Buckets, Causal, Connect, Family, Norm, Numbered, Pixels, Reader, Sight, Slices, Splice, ViT
from chiasm.towers.decoders import qwen2
from chiasm.towers.placed import after, reader_keys
from chiasm.towers.plain import tower

LAYER = Norm("layer", 1e-6)
WHOLE, PART, NUMBER = ("<image>", "</image>"), ("<slice>", "</slice>"), ("<image_id>", "</image_id>")
PLACEHOLDER = 128244
"""`<unk>`, which no config names."""


def read(c: Config) -> Reading:
    text = c.flat("qwen2")
    v, cut = c.nest("vision_config"), c.nest("slice_config")
    c.only("version", 2.6, "2.6")
    c.only("slice_mode", True)
    c.inert("batch_vision_input", "vision_batch_size", "image_size", "patch_size")
    cut.inert("model_type")
    decoder = replace(text.spec, tied=c.get("tie_word_embeddings", False))
    width, patch = decoder.width, v.get("patch_size", 14)
    v.only("num_channels", 3)
    depth = v.get("num_hidden_layers", 27) - int(c.get("drop_vision_last_layer", True))
    block = vit_block(v, width=1152, heads=16, mlp_width=4304, act="gelu_pytorch_tanh", eps=1e-6)
    eye = ViT(block, depth, patch, Buckets(v.get("image_size", 980) // patch, "rounded"), post_norm="applied")
    reader = Reader(width, c.get("resampler_heads", width // 128), c.get("query_num", 64), LAYER, "cells")
    numbered = c.pixels.get("use_image_id", c.get("use_image_id", True))
    marks = Numbered(WHOLE, PART, NUMBER if numbered else None)
    keys = (
        *under("llm.model.", "language.", text.keys),
        *head_keys("llm.lm_head.weight", decoder.tied),
        *under("vpm.", "vision.", VIT_KEYS),
        *under("resampler.", "connect.steps.0.", (*reader_keys(""), *after("", width))),
        Ignored("resampler.pos_embed"),
    )
    sight = Sight(views(c, cut), look(c.pixels), eye, (reader,), Splice(PLACEHOLDER), marks)
    return Reading(Causal(decoder, sight), keys, chat=CHAT)


def views(c: Config, cut: Config) -> Slices:
    """How pictures are cut: as the preprocessor says, or else the model."""
    for one in (c.pixels, cut):
        one.inert("patch_size", "max_slice_nums", "scale_resolution")
    side = c.pixels.get("scale_resolution", cut.get("scale_resolution", 448))
    return Slices(side, c.pixels.get("max_slice_nums", cut.get("max_slice_nums", 9)))


def look(c: Config) -> Pixels:
    c.only("slice_mode", True)
    c.only("version", 2.6, "2.6")
    c.inert(
        "image_feature_size", "im_start", "im_end", "slice_start", "slice_end", "unk", "im_id_start", "im_id_end",
        "im_start_token", "im_end_token", "slice_start_token", "slice_end_token", "unk_token", "auto_map",
    )  # fmt: skip
    return replace(pixels(c, HALF, HALF), mean=tuple(c.get("norm_mean", HALF)), std=tuple(c.get("norm_std", HALF)))


def read_resampler(c: Config) -> Reading:
    """A recorded folder of a resampler alone."""
    width, side = c.get("embed_dim"), c.get("grid_size")
    entered = c.first("kv_dim", default=width)
    norm = Norm("layer", c.get("layer_norm_eps", 1e-6))
    step = Reader(width, c.get("num_heads", width // 128), side * side, norm, "table")
    keys = (Respelt("resampler.", ""), *under("", "connect.steps.0.", (*reader_keys(""), *after("", width))))
    return Reading(Connect(entered, None, (step,)), keys)


LAYOUTS = (
    Layout("minicpmv", read),
    Layout("omnilmm_resampler", read_resampler, signs=("grid_size", "embed_dim")),
)

CHAT = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}{{ '<unk>' }}{% else %}{{ content['text'] }}{% endif %}"
    "{% if not loop.last %}{{ '\n' }}{% endif %}{% endfor %}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

EYE = ViT(tower(1152, 16, 4304, "gelu_tanh", 1e-6), 27, 14, Buckets(70, "rounded"), post_norm="applied")
TEXT = qwen2(3584, 28, 28, 4, 18944, 151666)

FAMILIES = (
    Family(
        name="minicpm-v-2.6",
        title="MiniCPM-V 2.6",
        paper="2408.01800",
        year=2024,
        layout="minicpmv",
        model=Causal(
            TEXT,
            Sight(
                Slices(448, 9), Pixels(HALF, HALF), EYE, (Reader(3584, 28, 64, LAYER, "cells"),), Splice(PLACEHOLDER),
                Numbered(WHOLE, PART, NUMBER),
            ),
        ),
        sizes={"8b": {}},
        reference="minicpmv26-0",
        proof="recorded",
        chat=CHAT,
        numbers=Always("<image_id> before each picture, from 0, by the processor"),
    ),
)  # fmt: skip
