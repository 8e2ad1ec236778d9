"""Video-LLaVA (arXiv:2311.10122): a tower for pictures, one for clips, one projector; frames keep their class token."""

from dataclasses import replace

from chiasm.layout import Config, Ignored, Layout, Reading, Respelt, under
from chiasm.layouts.llava import speaks
from chiasm.readers import CLIP_MEAN, CLIP_STD, crop_resize, frame_crop, pixels, taken
from chiasm.spec import (
    ByKind,
    Causal,
    Even,
    Family,
    Frames,
    Mlp,
    Pixels,
    Resize,
    Sight,
    Splice,
)
from chiasm.towers.decoders import llama
from chiasm.towers.llava import clip_large, mlp, tapped
from chiasm.towers.llava import keys as llava_keys
from chiasm.towers.llava_chats import TWO_TOWERS, VICUNA_CLIPS, spoken

CLIP_L_224 = {
    "model_type": "clip_vision_model", "intermediate_size": 4096, "hidden_size": 1024, "patch_size": 14, "image_size": 224,
    "num_hidden_layers": 24, "num_attention_heads": 16, "vocab_size": 32000, "projection_dim": 768,
}  # fmt: skip
"""The towers that a config means where it names none."""


def read(c: Config) -> Reading:
    c.assume(vision_config=CLIP_L_224, text_config={"model_type": "llama"})
    vision, text = c.part("vision_config", "clip_vision_model"), c.part("text_config", "llama")
    c.inert("image_seq_length", "video_seq_length", "ignore_index", "vocab_size")
    c.nested[0].inert("vocab_size")
    decoder = replace(text.spec, tied=c.get("tie_word_embeddings", False) or text.spec.tied)
    eye = tapped(c, vision.spec)
    image = c.first("image_token_index", "image_token_id", default=32000)
    fusion = Splice(image, c.first("video_token_index", "video_token_id", default=32001))
    towers = ByKind(eye, replace(eye, cls="keep"))
    clips = Frames(taken(c.clips, EIGHT), frame_crop(c.clips, 224), pixels(c.clips, CLIP_MEAN, CLIP_STD))
    sight = Sight(
        crop_resize(c.pixels, 224), pixels(c.pixels, CLIP_MEAN, CLIP_STD), towers, (mlp(c, decoder.width),), fusion, clips=clips
    )
    keys = (
        Respelt("model.image_tower.", "image_tower."),
        Respelt("model.video_tower.", "video_tower."),
        Respelt("image_tower.vision_model.", "image_tower."),
        Respelt("video_tower.vision_model.", "video_tower."),
        *under("image_tower.", "vision.pictures.", vision.keys),
        *under("video_tower.", "vision.clips.", vision.keys),
        Ignored("*_tower.head.*"),
        *llava_keys(Reading(eye, ()), text, decoder),
    )
    return Reading(Causal(decoder, sight), keys, spoken=spoken(TWO_TOWERS, speaks(c), min(image, fusion.video)))


EIGHT = Even(8)
"""The paper's frames of a clip (4.1), whatever its length."""

LAYOUTS = (Layout("video_llava", read),)

EYE = clip_large(224)
LOOK = (Resize(224, 224, "crop"), Pixels(CLIP_MEAN, CLIP_STD))

FAMILIES = (
    Family(
        name="video-llava",
        title="Video-LLaVA",
        paper="2311.10122",
        year=2023,
        layout="video_llava",
        model=Causal(
            llama(4096, 32, 32, 32, 11008, 32064, 10000.0),
            Sight(
                *LOOK, ByKind(EYE, replace(EYE, cls="keep")), (Mlp(4096, 4096),), Splice(32000, 32001),
                clips=Frames(EIGHT, *LOOK),
            ),
        ),
        sizes={"7b": {}},
        reference="VideoLlavaForConditionalGeneration",
        chat=VICUNA_CLIPS,
    ),
)  # fmt: skip
