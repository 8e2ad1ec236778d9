"""InternVL's eyes, its connector and its ways of being told, as data for both forms of its folders."""

from typing import Any

from chiasm.layout import Config, Reshaped, Rule, alone, rows
from chiasm.spec import (
    Activation,
    Around,
    Block,
    Decoder,
    DynamicTiles,
    Merge,
    Mlp,
    Norm,
    Normed,
    Pixels,
    Rope,
    Sight,
    Splice,
    Table,
    ViT,
    Written,
)
from chiasm.towers.decoders import llama_like

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MARKS = Around("<img>", "</img>")


def table_keys(cls: str, position: str, width: int) -> tuple[Rule, ...]:
    """Two tables that files hold behind axes of one."""
    return Reshaped(f"embeddings.{cls}", "cls", alone(2)), Reshaped(f"embeddings.{position}", "position.weight", rows(width))


def tower(c: Config, norm: Norm, bias: bool, qk_norm: bool, patch: int, side: int) -> ViT:
    width, heads = c.get("hidden_size", 1024), c.get("num_attention_heads", 16)
    block = Block(
        width, heads, c.get("intermediate_size", 4096), heads, width // heads, norm, c.act("hidden_act", "gelu"),
        qkv_bias=bias, layer_scale=True, qk_across=Norm("rms", 1e-6) if qk_norm else None,
    )  # fmt: skip
    c.only("num_channels", 3)
    return ViT(block, c.get("num_hidden_layers", 24), patch, Table(side // patch), cls="drop")


def steps(text: Decoder, act: Activation, side: int) -> tuple[Merge, Normed, Mlp]:
    return Merge(side), Normed(Norm("layer", 1e-5)), Mlp(text.width, text.width, act=act)


def ungrown(data: dict[str, Any]) -> dict[str, Any]:
    """A text config without dynamic rope, which begins past `max_position_embeddings`: no row here is that long."""
    fields = dict(data.get("rope_parameters") or data.get("rope_scaling") or {})
    if (fields.get("rope_type") or fields.get("type")) != "dynamic":
        return data
    plain = {name: value for name, value in data.items() if name not in ("rope_parameters", "rope_scaling")}
    return {**plain, "rope_theta": fields.get("rope_theta") or data.get("rope_theta") or 10000.0}


def internvit(width: int, depth: int, heads: int, mlp_width: int, norm: Norm, bias: bool, qk: Norm | None) -> ViT:
    block = Block(width, heads, mlp_width, heads, width // heads, norm, "gelu", qkv_bias=bias, layer_scale=True, qk_across=qk)
    return ViT(block, depth, 14, Table(32), cls="drop")


SMALL = internvit(1024, 24, 16, 4096, Norm("layer", 1e-6), True, None)
LARGE = internvit(3200, 45, 25, 12800, Norm("rms", 1e-6), False, Norm("rms", 1e-6))


def placeholder(text: Decoder) -> int:
    """Nine tokens end every one of its vocabularies: two marks around a picture, this one, six of boxes."""
    return text.vocab - 7


def sight(eye: ViT, text: Decoder) -> Sight:
    fusion = Splice(placeholder(text))
    return Sight(DynamicTiles(448, 12), Pixels(MEAN, STD), eye, steps(text, "gelu", 2), fusion, MARKS)


def sized(eye: ViT, text: Decoder) -> dict[str, Any]:
    return {"decoder": text, "sight": sight(eye, text)}


def internlm2(width: int, heads: int, mlp_width: int, depth: int) -> Decoder:
    """InternLM2 and 2.5 within the positions that they were trained on."""
    return Decoder(llama_like(width, heads, 8, mlp_width, eps=1e-5), depth, 92553, Rope(1000000.0), 32768)


INTERNLM_2B, INTERNLM_7B = internlm2(2048, 16, 8192, 24), internlm2(4096, 32, 14336, 32)
INTERNLM_20B = internlm2(6144, 48, 16384, 48)

NUMBERS = Written("Image-{number}: ", source="the examples of the published model cards; the template ends the line")
