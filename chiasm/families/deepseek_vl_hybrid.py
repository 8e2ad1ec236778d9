"""DeepSeek-VL (arXiv:2403.05525), 7B's design: SAM's tower sees a picture in high resolution beside SigLIP's in low."""

from dataclasses import replace

from chiasm.errors import BadConfig
from chiasm.layout import Config, Ignored, Layout, Name, Reading, Respelt, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, HALF, head_keys, letterbox, pixels, triple
from chiasm.spec import Align, Both, Causal, Coarsened, Family, Letterbox, LowHigh, Pixels, Sight, Splice
from chiasm.towers.deepseek import CHAT, SIGLIP_L, deepseek
from chiasm.towers.sam import B16


def read(c: Config) -> Reading:
    empty = {"vision_config": {}, "high_res_vision_config": {}, "text_config": {"model_type": "llama"}}
    c.assume(**empty)
    low, high = c.part("vision_config", "siglip_vision_model"), c.part("high_res_vision_config", "sam_vision_model")
    text = c.part("text_config", "llama")
    decoder = replace(text.spec, tied=c.get("tie_word_embeddings", True) and text.spec.tied)
    c.inert("vocab_size")
    if not high.spec.full:
        raise BadConfig(f"{c.path}: global_attn_indexes names no block, and the first of them is read beside the last one")
    side = low.spec.position.side
    eye = Both(replace(low.spec, post_norm="applied"), Coarsened(high.spec, high.spec.full[0], side))
    views, look = see(c.pixels, c.pixels.default(384, side * low.spec.patch))
    align = Align((eye.high.width, eye.low.width), decoder.width)
    keys = (
        Respelt("model.vision_model.vision_model.", "model.vision_model."),
        *under("model.vision_model.", "vision.low.", low.keys),
        *under("model.high_res_vision_model.vision_encoder.", "vision.high.tower.", high.keys),
        *under("model.high_res_vision_", "vision.high.", BESIDE),
        *under("model.language_model.", "language.", text.keys),
        *head_keys("lm_head.weight", decoder.tied),
        Name("model.aligner.high_res_vision_proj.*", "connect.steps.0.parts.0.*"),
        Name("model.aligner.vision_proj.*", "connect.steps.0.parts.1.*"),
        Name("model.aligner.proj.*", "connect.steps.0.out.*"),
        Ignored("model.vision_model.head.**"),
    )
    return Reading(Causal(decoder, Sight(views, look, eye, (align,), Splice(c.get("image_token_id", 100015)))), keys)


BESIDE = (
    Name("neck.conv1.*", "neck.narrow.*"),
    Name("neck.layer_norm1.*", "neck.norm1.*"),
    Name("neck.conv2.*", "neck.smooth.*"),
    Name("neck.layer_norm2.*", "neck.norm2.*"),
    Name("proj.conv1.*", "halve1.*"),
    Name("proj.conv2.*", "halve2.*"),
    Name("alpha", "share"),
)


def see(c: Config, side: int) -> tuple[LowHigh, Pixels]:
    """Both views; they are resampled in one way and differ in their normalisation."""
    low = letterbox(c, side)
    look = pixels(c, CLIP_MEAN, CLIP_STD)
    c.only("high_res_resample", c.get("resample", 3))
    mean, std = c.get("high_res_image_mean", CLIP_MEAN), c.get("high_res_image_std", CLIP_STD)
    finer = replace(look, mean=triple(mean), std=triple(std))
    return LowHigh(low.side, letterbox(c, 1024, "high_res_size"), finer), look


LAYOUTS = (Layout("deepseek_vl_hybrid", read),)

EYE = Both(SIGLIP_L, Coarsened(B16, 2, 24))

FAMILIES = (
    Family(
        name="deepseek-vl-hybrid",
        title="DeepSeek-VL, two resolutions",
        paper="2403.05525",
        year=2024,
        layout="deepseek_vl_hybrid",
        model=Causal(
            deepseek(4096, 30, 32, 11008),
            Sight(
                LowHigh(384, Letterbox(1024), Pixels(CLIP_MEAN, CLIP_STD)), Pixels(HALF, HALF), EYE,
                (Align((EYE.high.width, EYE.low.width), 4096),), Splice(100015),
            ),
        ),
        sizes={"7b": {}},
        reference="DeepseekVLHybridForConditionalGeneration",
        chat=CHAT,
    ),
)  # fmt: skip
