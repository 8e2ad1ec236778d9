"""PaliGemma and PaliGemma 2 (arXiv:2407.07726, 2412.03555): SigLIP, one linear layer, Gemma, whose prompt sees itself whole.

What a picture says comes first, then the beginning of the sequence, the question and a line feed; the answer alone is
written in order. Boxes are tokens of their own, and so are the codes from which a small decoder draws masks.
"""

from dataclasses import replace
from typing import Any

from chiasm.layout import Config, Ignored, Layout, Name, Reading, Respelt, Rule, under
from chiasm.readers import HALF, head_keys, pixels, squash
from chiasm.spec import Causal, CodedMasks, Decoder, Family, Mlp, Sight, Splice
from chiasm.towers.paligemma import FIRST, gemma, gemma_block, sight


def read(c: Config) -> Reading:
    text_config = {"model_type": "gemma", **(c.data.get("text_config") or GEMMA_2B)}
    # Which positions see one another is the whole model's affair, whatever its decoder would do alone.
    text_config.pop("use_bidirectional_attention", None)
    c.data = {**c.data, "vision_config": {**SO400M, **(c.data.get("vision_config") or {})}, "text_config": text_config}
    vision, text = c.part("vision_config", "siglip_vision_model"), c.part("text_config", "gemma")
    c.nested[0].inert("num_image_tokens", "projector_hidden_act")
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


SO400M = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16, "patch_size": 14}
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

CHAT = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{% for content in message['content'] %}{% generation %}{{ content['text'] }}{% endgeneration %}{% endfor %}"
    "{{ eos_token }}{% else %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>' }}{% endfor %}"
    "{% if loop.first %}{{ bos_token }}{% endif %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] }}{% endfor %}"
    "{{ '\n' }}{% endif %}{% endfor %}"
)


def at(side: int) -> dict[str, Any]:
    return {"sight.views.height": side, "sight.views.width": side, "sight.encoder.position.side": side // 14}


def sizes(name: str, changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{name}-{side}": {**changes, **(at(side) if side != 224 else {})} for side in (224, 448, 896)}


def larger(decoder: Decoder) -> dict[str, Any]:
    return {"decoder": decoder, "sight": sight(decoder.width)}


SECOND = gemma(gemma_block(2304, 8, 4, 9216, second=256), 26)
SECOND_9B = gemma(gemma_block(3584, 16, 8, 14336, second=256), 42)
SECOND_27B = gemma(gemma_block(4608, 32, 16, 36864, 128, second=144), 46)

FAMILIES = (
    Family(
        name="paligemma",
        title="PaliGemma",
        paper="2407.07726",
        year=2024,
        layout="paligemma",
        model=Causal(FIRST, sight(2048), "full", boxes="locations"),
        sizes=sizes("3b", {}),
        reference="PaliGemmaForConditionalGeneration",
        chat=CHAT,
    ),
    Family(
        name="paligemma-2",
        title="PaliGemma 2",
        paper="2412.03555",
        year=2024,
        layout="paligemma",
        model=Causal(SECOND, sight(2304), "full", boxes="locations"),
        sizes=sizes("3b", {}) | sizes("10b", larger(SECOND_9B)) | sizes("28b", larger(SECOND_27B)),
        reference="PaliGemmaForConditionalGeneration",
        chat=CHAT,
    ),
)
