"""DeepSeek-VL (arXiv:2403.05525), 1.3B's design: SigLIP over a padded square, two linear layers, a Llama."""

from dataclasses import replace

from chiasm.layout import Config, Ignored, Layout, Name, Reading, Respelt, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, HALF, head_keys, letterbox, pixels
from chiasm.spec import Causal, Family, Letterbox, Mlp, Pixels, Sight, Splice
from chiasm.towers.deepseek import CHAT, SIGLIP_L, deepseek


def read(c: Config) -> Reading:
    c.data = {"vision_config": {}, "text_config": {"model_type": "llama"}, **c.data}
    vision, text = c.part("vision_config", "siglip_vision_model"), c.part("text_config", "llama")
    decoder = replace(text.spec, tied=c.get("tie_word_embeddings", True) and text.spec.tied)
    c.inert("vocab_size")
    eye = replace(vision.spec, post_norm="applied")
    steps = (Mlp(decoder.width, decoder.width),)
    look = pixels(c.pixels, CLIP_MEAN, CLIP_STD)
    sight = Sight(letterbox(c.pixels), look, eye, steps, Splice(c.get("image_token_id", 100015)))
    keys = (
        Respelt("model.vision_model.vision_model.", "model.vision_model."),
        *under("model.vision_model.", "vision.", vision.keys),
        *under("model.language_model.", "language.", text.keys),
        *head_keys("lm_head.weight", decoder.tied),
        Name("model.aligner.linear1.*", "connect.steps.0.layers.0.*"),
        Name("model.aligner.linear2.*", "connect.steps.0.layers.1.*"),
        Ignored("model.vision_model.head.**"),
    )
    return Reading(Causal(decoder, sight), keys)


LAYOUTS = (Layout("deepseek_vl", read),)

DEEPSEEK_1_3B = deepseek(2048, 24, 16, 5504)

FAMILIES = (
    Family(
        name="deepseek-vl",
        title="DeepSeek-VL",
        paper="2403.05525",
        year=2024,
        layout="deepseek_vl",
        model=Causal(DEEPSEEK_1_3B, Sight(Letterbox(384), Pixels(HALF, HALF), SIGLIP_L, (Mlp(2048, 2048),), Splice(100015))),
        sizes={"1.3b": {}},
        reference="DeepseekVLForConditionalGeneration",
        chat=CHAT,
    ),
)
