"""LLaVA-OneVision (arXiv:2408.03326): LLaVA-NeXT's tiles up to 36 of them, shrunk to about nine; clips of pooled frames."""

from dataclasses import replace

from chiasm.errors import BadConfig
from chiasm.layout import Config, Layout, Name, Reading, Spoken
from chiasm.readers import CLIP_MEAN, CLIP_STD, HALF, edges, pixels, squash, taken
from chiasm.spec import (
    Causal,
    Decoder,
    Even,
    Family,
    Frames,
    JoinTiles,
    Mlp,
    Pinpoints,
    Pixels,
    PoolClips,
    Resize,
    Sight,
    Splice,
)
from chiasm.towers.decoders import qwen2
from chiasm.towers.llava import SIGLIP, keys, mlp, tapped
from chiasm.towers.llava_chats import CHATML_CLIPS

SIDES = tuple(384 * number for number in range(1, 7))
POINTS = tuple((high, wide) for high in SIDES for wide in SIDES)

SO400M = {
    "model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304, "patch_size": 14, "image_size": 384,
    "num_hidden_layers": 26, "num_attention_heads": 16, "vision_use_head": False,
}  # fmt: skip
"""The tower that a config means where it names none."""


def most_tiles(c: Config) -> int:
    """The number of tiles in `anyres_max_9`."""
    said = c.get("vision_aspect_ratio", "anyres_max_9")
    number = str(said).removeprefix("anyres_max_")
    if not number.isdigit():
        raise BadConfig(f"{c.path}: vision_aspect_ratio = {said!r} is not supported; 'anyres_max_9' and its like are")
    return int(number)


def read(c: Config) -> Reading:
    c.assume(vision_config=SO400M, text_config={"model_type": "qwen2"})
    vision, text = c.part("vision_config", "siglip_vision_model"), c.part("text_config", "qwen2")
    c.inert("image_seq_length", "ignore_index", "vocab_size", "use_image_newline_parameter", "video_seq_length")
    decoder = replace(text.spec, tied=c.get("tie_word_embeddings", False) or text.spec.tied)
    strategy = {"vision_feature_select_strategy": "full", "vision_feature_layer": -1}
    c.data = {**strategy, **c.data}
    eye = tapped(c, vision.spec)
    given = c.first("image_grid_pinpoints", default=None)
    given = c.pixels.first("image_grid_pinpoints", default=given if given is not None else POINTS)
    tile = edges(c.pixels.get("size", {"height": 384, "width": 384}))[0]
    image = c.first("image_token_index", "image_token_id", default=151646)
    video = c.first("video_token_index", "video_token_id", default=151647)
    sight = Sight(
        Pinpoints(tile, tuple((high, wide) for high, wide in given)),
        pixels(c.pixels, CLIP_MEAN, CLIP_STD),
        eye,
        (mlp(c, decoder.width), PoolClips(2, "bilinear"), JoinTiles(most=most_tiles(c), clips="closed")),
        Splice(image, video),
        clips=Frames(taken(c.clips, MOST), squash(c.clips, 384), pixels(c.clips, CLIP_MEAN, CLIP_STD)),
    )
    newline = Name("image_newline", "connect.steps.2.newline")
    kind = c.nested[1].data.get("model_type") or "qwen2"
    said = Spoken(CHATML_CLIPS if kind == "qwen2" else None, f"a {kind}")
    return Reading(Causal(decoder, sight), (newline, *keys(vision, text, decoder)), spoken=said)


MOST = Even(32)
"""The paper's frames of a clip (3.2), pooled to 196 tokens each."""

LAYOUTS = (Layout("llava_onevision", read),)


def onevision(text: Decoder) -> Causal:
    steps = (Mlp(text.width, text.width), PoolClips(2, "bilinear"), JoinTiles(most=9, clips="closed"))
    clips = Frames(MOST, Resize(384, 384, "squash"), Pixels(HALF, HALF))
    look = Pixels(HALF, HALF)
    return Causal(text, Sight(Pinpoints(384, POINTS), look, SIGLIP, steps, Splice(151646, 151647), clips=clips))


SMALLEST, MIDDLE = onevision(qwen2(896, 24, 14, 2, 4864, 152000, True)), onevision(qwen2(3584, 28, 28, 4, 18944, 152128))
LARGEST = onevision(qwen2(8192, 80, 64, 8, 29568, 152128))

FAMILIES = (
    Family(
        name="llava-onevision",
        title="LLaVA-OneVision",
        paper="2408.03326",
        year=2024,
        layout="llava_onevision",
        model=SMALLEST,
        sizes={
            "0.5b": {},
            "7b": {"decoder": MIDDLE.decoder, "sight": MIDDLE.sight},
            "72b": {"decoder": LARGEST.decoder, "sight": LARGEST.sight},
        },
        reference="LlavaOnevisionForConditionalGeneration",
        chat=CHATML_CLIPS,
    ),
)
