"""DeepSeek-VL (arXiv:2403.05525), 1.3B's design: SigLIP over a padded square, two linear layers, a Llama."""

from dataclasses import replace

from chiasm.layout import Config, Ignored, Layout, Name, Reading, Respelt, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, HALF, head_keys, letterbox, pixels
from chiasm.spec import Block, Causal, Decoder, Family, Letterbox, Mlp, Norm, Pixels, Rope, Sight, Splice, Table, ViT


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

SIGLIP_L = ViT(Block(1024, 16, 4096, 16, 64, Norm("layer", 1e-6), "gelu"), 24, 16, Table(24), post_norm="applied")
DEEPSEEK_1_3B = Decoder(
    Block(
        2048, 16, 5504, 16, 128, Norm("rms", 1e-6), "silu", "gated", qkv_bias=False, out_bias=False, mlp_bias=False
    ),
    24, 102400, Rope(10000.0), 16384,
)  # fmt: skip

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
    ),
)
