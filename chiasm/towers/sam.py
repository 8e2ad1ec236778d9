"""SAM's parts as data: its config, and the names of its tensors as transformers and as the original code write them."""

from typing import Any, Literal

from chiasm.layout import Config, Form, Fused, Ignored, Name, Reshaped, Rule, alone
from chiasm.readers import pixels
from chiasm.spec import Block, Corner, MaskDecoder, Norm, Pixels, Segment, WindowedViT

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Spelling = Literal["library", "original"]

TOWER = (
    ("stem.*", "patch_embed.projection.*", "patch_embed.proj.*"),
    ("blocks.*.norm1.*", "layers.*.layer_norm1.*", "blocks.*.norm1.*"),
    ("blocks.*.norm2.*", "layers.*.layer_norm2.*", "blocks.*.norm2.*"),
    ("blocks.*.attention.out.*", "layers.*.attn.proj.*", "blocks.*.attn.proj.*"),
    ("blocks.*.attention.rows", "layers.*.attn.rel_pos_h", "blocks.*.attn.rel_pos_h"),
    ("blocks.*.attention.columns", "layers.*.attn.rel_pos_w", "blocks.*.attn.rel_pos_w"),
    ("blocks.*.mlp.up.*", "layers.*.mlp.lin1.*", "blocks.*.mlp.lin1.*"),
    ("blocks.*.mlp.down.*", "layers.*.mlp.lin2.*", "blocks.*.mlp.lin2.*"),
)
"""Ours, the library's, the original's."""

NECK = (
    ("narrow.*", "conv1.*", "0.*"), ("norm1.*", "layer_norm1.*", "1.*"),
    ("smooth.*", "conv2.*", "2.*"), ("norm2.*", "layer_norm2.*", "3.*"),
)  # fmt: skip

PROMPTS = (
    ("mask.halve1.*", "mask_embed.conv1.*", "mask_downscaling.0.*"),
    ("mask.norm1.*", "mask_embed.layer_norm1.*", "mask_downscaling.1.*"),
    ("mask.halve2.*", "mask_embed.conv2.*", "mask_downscaling.3.*"),
    ("mask.norm2.*", "mask_embed.layer_norm2.*", "mask_downscaling.4.*"),
    ("mask.widen.*", "mask_embed.conv3.*", "mask_downscaling.6.*"),
)

VECTORS = (
    ("outside", "point_embed.0.weight", "point_embeddings.0.weight"),
    ("inside", "point_embed.1.weight", "point_embeddings.1.weight"),
    ("corner1", "point_embed.2.weight", "point_embeddings.2.weight"),
    ("corner2", "point_embed.3.weight", "point_embeddings.3.weight"),
    ("no_point", "not_a_point_embed.weight", "not_a_point_embed.weight"),
    ("no_mask", "no_mask_embed.weight", "no_mask_embed.weight"),
)
"""Vectors that files hold as tables of one row."""

ASKING = (
    ("blocks.*.among", "layers.*.self_attn"), ("blocks.*.to_picture", "layers.*.cross_attn_token_to_image"),
    ("blocks.*.to_prompts", "layers.*.cross_attn_image_to_token"), ("last", "final_attn_token_to_image"),
)  # fmt: skip

TWO_WAY_LAYERS = "transformer.layers.*"

TWO_WAY = (
    ("tokens", "mask_tokens.weight", "mask_tokens.weight"),
    *(
        (f"blocks.*.norm{n}.*", f"transformer.layers.*.layer_norm{n}.*", f"transformer.layers.*.norm{n}.*")
        for n in (1, 2, 3, 4)
    ),
    ("blocks.*.mlp.up.*", f"{TWO_WAY_LAYERS}.mlp.lin1.*", f"{TWO_WAY_LAYERS}.mlp.lin1.*"),
    ("blocks.*.mlp.down.*", f"{TWO_WAY_LAYERS}.mlp.lin2.*", f"{TWO_WAY_LAYERS}.mlp.lin2.*"),
    ("norm.*", "transformer.layer_norm_final_attn.*", "transformer.norm_final_attn.*"),
    *(
        (f"{ours}.{part}.*", f"transformer.{theirs}.{part}_proj.*", f"transformer.{theirs}.{part}_proj.*")
        for ours, theirs in ASKING
        for part in ("q", "k", "v", "out")
    ),
    ("finer.double1.*", "upscale_conv1.*", "output_upscaling.0.*"),
    ("finer.norm.*", "upscale_layer_norm.*", "output_upscaling.1.*"),
    ("finer.double2.*", "upscale_conv2.*", "output_upscaling.3.*"),
)


def named(table: tuple[tuple[str, str, str], ...], by: Spelling, theirs: str, ours: str) -> tuple[Rule, ...]:
    """Rules of a table whose names stand under two prefixes."""
    return tuple(Name(theirs + (library if by == "library" else original), ours + own) for own, library, original in table)


def tower_keys(spec: WindowedViT, by: Spelling) -> tuple[Rule, ...]:
    width, blocks = spec.block.width, "layers" if by == "library" else "blocks"
    return (
        Reshaped("pos_embed", "position", Form((-1, width), (0, 1), (-1, width), (1, spec.side, spec.side, width))),
        Fused(f"{blocks}.*.attn.qkv.*", tuple(f"blocks.*.attention.{part}.*" for part in "qkv"), (1, 1, 1)),
        *named(TOWER, by, "", ""),
        *named(NECK, by, "neck.", "neck."),
    )


def mask_keys(spec: MaskDecoder, by: Spelling) -> tuple[Rule, ...]:
    """Of prompts and decoder: `prompt_encoder` and `mask_decoder` in files, `prompts` and `masks` here."""
    vectors = ((own, library if by == "library" else original) for own, library, original in VECTORS)
    return (
        *(Reshaped(f"prompt_encoder.{theirs}", f"prompts.{own}", alone(1)) for own, theirs in vectors),
        *named(PROMPTS, by, "prompt_encoder.", "prompts."),
        Reshaped("mask_decoder.iou_token.weight", "masks.score", alone(1)),
        *named(TWO_WAY, by, "mask_decoder.", "masks."),
        *_layers("mask_decoder.output_hypernetworks_mlps.*.", "masks.to_maps.*.", 3, by),
        *_layers("mask_decoder.iou_prediction_head.", "masks.to_scores.", spec.score_depth, by),
    )


def _layers(theirs: str, ours: str, depth: int, by: Spelling) -> tuple[Rule, ...]:
    """The library calls the first and the last layer by name and counts what lies between."""
    names = ["proj_in", *(f"layers.{number}" for number in range(depth - 2)), "proj_out"]
    if by == "original":
        names = [f"layers.{number}" for number in range(depth)]
    return tuple(Name(f"{theirs}{name}.*", f"{ours}layers.{number}.*") for number, name in enumerate(names))


LIBRARY_PLACES: tuple[Rule, ...] = (
    Name("shared_image_embedding.positional_embedding", "prompts.code.frequencies"),
    Ignored("prompt_encoder.shared_embedding.positional_embedding"),
)
"""Prompts and cells are placed by the same frequencies, which older files hold twice."""


def read_tower(c: Config) -> WindowedViT:
    """The library's config of the tower, its class's defaults."""
    width, heads = c.get("hidden_size", 768), c.get("num_attention_heads", 12)
    c.only("num_channels", 3)
    c.only("use_abs_pos", True)
    c.only("use_rel_pos", True)
    c.inert("scale", "num_pos_feats", "projection_dim", "intermediate_size")
    mlp = c.first("mlp_dim", default=int(width * c.get("mlp_ratio", 4.0)))
    block = Block(
        width, heads, mlp, heads, width // heads, Norm("layer", c.get("layer_norm_eps", 1e-6)), c.act("hidden_act", "gelu"),
        qkv_bias=c.get("qkv_bias", True),
    )  # fmt: skip
    patch = c.get("patch_size", 16)
    side, full = c.get("image_size", 1024) // patch, tuple(c.get("global_attn_indexes", (2, 5, 8, 11)))
    return WindowedViT(
        block, c.get("num_hidden_layers", 12), patch, side, c.get("window_size", 14), full, c.get("output_channels", 256)
    )


def corner(c: Config, default: int) -> tuple[Corner, Pixels]:
    """SAM's preprocessing: one edge, the longest, and a square of it."""
    side = c.get("size", {"longest_edge": default})["longest_edge"]
    c.only("pad_size", {"height": side, "width": side})
    c.inert("mask_size", "mask_pad_size")
    return Corner(side), pixels(c, IMAGENET_MEAN, IMAGENET_STD, "bilinear")


def sam(width: int, depth: int, heads: int, full: tuple[int, ...]) -> WindowedViT:
    """A published tower: pictures of 1,024 pixels a side in patches of 16."""
    block = Block(width, heads, 4 * width, heads, width // heads, Norm("layer", 1e-6), "gelu")
    return WindowedViT(block, depth, 16, 64, 14, full, 256)


B16 = sam(768, 12, 12, (2, 5, 8, 11))
L16 = sam(1024, 24, 16, (5, 11, 17, 23))
H16 = sam(1280, 32, 16, (7, 15, 23, 31))
DECODER = MaskDecoder(256, 64, 2, 8, 2048)


def sized(tower: WindowedViT) -> dict[str, Any]:
    return {"encoder": tower}


def segment(tower: WindowedViT) -> Segment:
    """Tower, prompts and decoder as published."""
    return Segment(Corner(1024), Pixels(IMAGENET_MEAN, IMAGENET_STD, resample="bilinear"), tower, DECODER)
