"""Folders of PaliGemma and PaliGemma 2, or with it as a part: fields of the config, names of the tensors."""

from dataclasses import replace

from chiasm.layout import Config, Ignored, Layout, Name, Reading, Respelt, Rule, under
from chiasm.readers import HALF, head_keys, pixels, squash
from chiasm.spec import Causal, CodedMasks, Decoder, Mlp, Sight, Splice


def read(c: Config) -> Reading:
    c.assume(vision_config=SO400M, text_config=GEMMA_2B)
    # Which positions see one another is the whole model's affair, whatever its decoder would do alone.
    alone = {name: value for name, value in c.data["text_config"].items() if name != "use_bidirectional_attention"}
    c.data = {**c.data, "text_config": alone}
    vision, text = c.part("vision_config", "siglip_vision_model"), c.part("text_config", "gemma")
    c.nested[0].inert("num_image_tokens", "projector_hidden_act", "vocab_size")
    c.nested[1].inert("num_image_tokens")
    c.inert("vocab_size", "hidden_size", "ignore_index", "projection_dim", "num_hidden_layers")
    c.pixels.inert("image_seq_length", "do_center_crop")
    decoder = replace(
        text.spec, rope=replace(text.spec.rope, first=1), tied=c.get("tie_word_embeddings", text.spec.tied)
    )  # fmt: skip
    eye = replace(vision.spec, post_norm="applied")
    side = eye.position.side * eye.patch
    steps = (Mlp(decoder.width, decoder.width, depth=1),)
    fusion = Splice(c.first("image_token_index", "image_token_id", default=256000))
    sight = Sight(squash(c.pixels, side), pixels(c.pixels, HALF, HALF), eye, steps, fusion)
    return Reading(Causal(decoder, sight, "full", boxes="locations"), keys(vision, text, decoder))


SO400M = {"hidden_size": 1152, "intermediate_size": 4096, "num_hidden_layers": 27, "num_attention_heads": 16, "patch_size": 14}
"""The tower that a config means where it names none; the published ones say 4304."""

GEMMA_2B = {
    "hidden_size": 2048, "num_hidden_layers": 18, "intermediate_size": 16384, "num_attention_heads": 8,
    "num_key_value_heads": 1, "vocab_size": 257152,
}  # fmt: skip


def keys(vision: Reading, text: Reading, decoder: Decoder) -> tuple[Rule, ...]:
    return (
        Respelt("model.vision_tower.", "vision_tower."),
        Respelt("vision_tower.vision_model.", "vision_tower."),
        Respelt("model.multi_modal_projector.", "multi_modal_projector."),
        Respelt("model.language_model.", "language_model.model."),
        Respelt("lm_head.", "language_model.lm_head."),
        *under("vision_tower.", "vision.", vision.keys),
        *under("language_model.model.", "language.", text.keys),
        *head_keys("language_model.lm_head.weight", decoder.tied),
        Name("multi_modal_projector.linear.*", "connect.steps.0.layers.0.*"),
    )


def read_masks(c: Config) -> Reading:
    """The decoder of masks, which is published apart from the models that say its codes."""
    c.only("tokens", 16)
    c.only("out", 64)
    spec = CodedMasks(c.get("num_embeddings", 128), c.get("embedding_dim", 512), c.get("dim", 128))
    return Reading(spec, (Name("_vq_vae._embedding", "codes.weight"), Name("decoder.**", "layers.**"), Ignored("encoder.**")))


LAYOUTS = (
    Layout("paligemma", read),
    Layout("paligemma_masks", read_masks, signs=("num_embeddings", "embedding_dim")),
)
