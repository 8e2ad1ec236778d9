"""DINOv2 (arXiv:2304.07193): a ViT taught by itself, with scaled branches; with registers (arXiv:2309.16588) or without."""

from typing import Any, Literal

from chiasm.layout import Config, Fused, Layout, Name, Reading, Reshaped, Rule, alone, rows, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, crop_resize, pixels
from chiasm.spec import Block, Encode, Family, First, Norm, Pixels, Resize, Table, ViT, override
from chiasm.towers.plain import encoder_keys

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def own(width: int) -> tuple[Rule, ...]:
    return (
        Reshaped("embeddings.mask_token", "mask_token", alone(1)),
        Reshaped("embeddings.register_tokens", "registers", rows(width)),
        Name("encoder.layer.*.norm1.*", "blocks.*.norm1.*"),
        Name("encoder.layer.*.norm2.*", "blocks.*.norm2.*"),
        Name("encoder.layer.*.layer_scale1.lambda1", "blocks.*.scale1.weight"),
        Name("encoder.layer.*.layer_scale2.lambda1", "blocks.*.scale2.weight"),
    )


MLP = (Name("encoder.layer.*.mlp.fc1.*", "blocks.*.mlp.up.*"), Name("encoder.layer.*.mlp.fc2.*", "blocks.*.mlp.down.*"))

GATED = (
    Fused("encoder.layer.*.mlp.weights_in.*", ("blocks.*.mlp.gate.*", "blocks.*.mlp.up.*"), (1, 1)),
    Name("encoder.layer.*.mlp.weights_out.*", "blocks.*.mlp.down.*"),
)


def block(c: Config) -> Block:
    width, heads = c.get("hidden_size", 768), c.get("num_attention_heads", 12)
    hidden, gated = int(width * c.get("mlp_ratio", 4)), c.get("use_swiglu_ffn", False)
    act = c.act("hidden_act", "gelu")
    return Block(
        width, heads, (int(hidden * 2 / 3) + 7) // 8 * 8 if gated else hidden, heads, width // heads,
        Norm("layer", c.get("layer_norm_eps", 1e-6)), "silu" if gated else act, "gated" if gated else "plain",
        qkv_bias=c.get("qkv_bias", True), layer_scale=True,
    )  # fmt: skip


def encoder(c: Config, patch: int, registers: int, resample: Literal["bicubic", "bicubic_smooth"]) -> Reading:
    inner, side, patch = block(c), c.get("image_size", 224), c.get("patch_size", patch)
    c.only("num_channels", 3)
    c.inert("layerscale_value", "drop_path_rate", "apply_layernorm", "reshape_hidden_states")
    c.inert("out_features", "out_indices", "stage_names")
    table = Table(side // patch, resample)
    spec = ViT(
        inner, c.get("num_hidden_layers", 12), patch, table, cls="keep", post_norm="applied", registers=registers,
        mask_token=c.get("use_mask_token", True),
    )  # fmt: skip
    mean, std = c.pixels.default((CLIP_MEAN, CLIP_STD), (MEAN, STD))
    views, look = crop_resize(c.pixels, 224), pixels(c.pixels, mean, std)
    rules = (*encoder_keys(inner.width), *own(inner.width), *(GATED if inner.mlp == "gated" else MLP))
    return Reading(Encode(views, look, spec, First()), under("", "vision.", rules))


def read(c: Config) -> Reading:
    return encoder(c, 14, 0, "bicubic")


def read_with_registers(c: Config) -> Reading:
    return encoder(c, 16, c.get("num_register_tokens", 4), "bicubic_smooth")


LAYOUTS = (Layout("dinov2", read), Layout("dinov2_with_registers", read_with_registers))


def tower(width: int, heads: int) -> Block:
    return Block(width, heads, 4 * width, heads, width // heads, Norm("layer", 1e-6), "gelu", layer_scale=True)


GIANT = Block(1536, 24, 4096, 24, 64, Norm("layer", 1e-6), "silu", "gated", layer_scale=True)

PLAIN = Encode(
    Resize(224, 224, "crop", 256),
    Pixels(MEAN, STD),
    ViT(tower(768, 12), 12, 14, Table(37), cls="keep", post_norm="applied", mask_token=True),
    First(),
)

SIZES: dict[str, dict[str, Any]] = {
    "s14": {"encoder.block": tower(384, 6)},
    "b14": {},
    "l14": {"encoder.block": tower(1024, 16), "encoder.depth": 24},
    "g14": {"encoder.block": GIANT, "encoder.depth": 40},
}

FAMILIES = (
    Family(
        name="dinov2",
        title="DINOv2",
        paper="2304.07193",
        year=2023,
        layout="dinov2",
        model=PLAIN,
        sizes=SIZES,
        reference="Dinov2Model",
    ),
    Family(
        name="dinov2-registers",
        title="DINOv2 with registers",
        paper="2309.16588",
        year=2023,
        layout="dinov2_with_registers",
        model=override(PLAIN, {"encoder.registers": 4, "encoder.position": Table(37, "bicubic_smooth")}),
        sizes=SIZES,
        reference="Dinov2WithRegistersModel",
    ),
)  # fmt: skip
