"""What models after LLaVA's pattern share, as data: their towers, their connector, their names in files."""

from dataclasses import replace
from typing import Any, Literal

from chiasm.errors import BadConfig
from chiasm.layout import Config, Ignored, Name, Reading, Respelt, Rule, under
from chiasm.readers import head_keys
from chiasm.spec import Block, Decoder, Mlp, Norm, Table, ViT

WATCHES = (
    "You are Video-ChatGPT, a large vision-language assistant. You are able to understand the video content that the user "
    "provides, and assist the user with a variety of tasks using natural language.Follow the instructions carefully and "
    "explain your answers in detail based on the provided video."
)
"""What Video-ChatGPT is told, and PLLaVA's 34B after it; the missing space is the original's."""


def clip_large(side: int) -> ViT:
    """CLIP's large tower at so many pixels a side, as LLaVA reads it: the state before the last block, no class token."""
    return ViT(
        Block(1024, 16, 4096, 16, 64, Norm("layer", 1e-5), "quick_gelu"), 24, 14, Table(side // 14),
        stem_bias=False, cls="drop", pre_norm=True, post_norm="idle", taps=(-2,),
    )  # fmt: skip


SIGLIP = ViT(Block(1152, 16, 4304, 16, 72, Norm("layer", 1e-6), "gelu_tanh"), 26, 14, Table(27), post_norm="idle")


def taps(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def tapped(c: Config, tower: ViT) -> ViT:
    """A tower as LLaVA reads it: chosen hidden states, the class token dropped or kept, no norm after."""
    c.only("vision_feature_select_strategy", "default", "full")
    keep: Literal["keep", "drop"] = "keep" if c.get("vision_feature_select_strategy", "default") == "full" else "drop"
    layers = taps(c.get("vision_feature_layer", -2))
    if any(not isinstance(layer, int) or not -tower.depth - 1 <= layer <= tower.depth for layer in layers):
        states = f"the tower's states are 0 to {tower.depth}, or -1 to {-tower.depth - 1} from the last"
        raise BadConfig(f"{c.path}: vision_feature_layer = {c.get('vision_feature_layer')!r} chooses none; {states}")
    return replace(tower, taps=layers, cls="none" if tower.cls == "none" else keep)


def mlp(c: Config, width: int) -> Mlp:
    bias = c.get("multimodal_projector_bias", True)
    return Mlp(width, width, depth=2, act=c.act("projector_hidden_act", "gelu"), bias=bias)


def keys(vision: Reading, text: Reading, decoder: Decoder) -> tuple[Rule, ...]:
    return (
        Respelt("model.vision_tower.", "vision_tower."),
        Respelt("vision_tower.vision_model.", "vision_tower."),
        Respelt("model.multi_modal_projector.", "multi_modal_projector."),
        Respelt("model.image_newline", "image_newline"),
        Respelt("model.language_model.", "language_model.model."),
        Respelt("lm_head.", "language_model.lm_head."),
        *under("vision_tower.", "vision.", vision.keys),
        *under("language_model.model.", "language.", text.keys),
        *head_keys("language_model.lm_head.weight", decoder.tied),
        Name("multi_modal_projector.linear_1.*", "connect.steps.0.layers.0.*"),
        Name("multi_modal_projector.linear_2.*", "connect.steps.0.layers.1.*"),
        Ignored("vision_tower.head.*"),
    )
