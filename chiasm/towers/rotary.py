"""EVA's encoders (arXiv:2211.07636, arXiv:2303.11331): queries and values with a bias, keys without; from the second edition
on rotary places beside the table, gated MLPs and norms inside the branches."""

from chiasm.errors import BadConfig
from chiasm.layout import Config, Form, Fused, Layout, Name, Reading, Reshaped, Rule, alone, rows
from chiasm.spec import Axial, Block, Norm, Table, ViT

NORM = Norm("layer", 1e-6)


def pairs(block: Block) -> Form:
    """Rows of a projection whose neighbours turn together, put so that the two halves of each head do."""
    heads, half, width = block.heads, block.head_width // 2, block.width
    return Form((heads, half, 2, width), (0, 2, 1, 3), (heads * half * 2, width), (heads * half * 2, width))


def bias_pairs(block: Block) -> Form:
    heads, half = block.heads, block.head_width // 2
    return Form((heads, half, 2), (0, 2, 1), (-1,), (-1,))


def keys(block: Block, fused: bool, turned: bool) -> tuple[Rule, ...]:
    form, bias_form = (pairs(block), bias_pairs(block)) if turned else (None, None)
    parts = ("blocks.*.attention.q.weight", "blocks.*.attention.k.weight", "blocks.*.attention.v.weight")
    q, k, v = "blocks.*.attn.q_proj", "blocks.*.attn.k_proj", "blocks.*.attn.v_proj"
    bias = "blocks.*.attn.q_bias" if fused else f"{q}.bias"
    apart = (_formed(f"{q}.weight", parts[0], form), _formed(f"{k}.weight", parts[1], form), Name(f"{v}.weight", parts[2]))
    joined = (Fused("blocks.*.attn.qkv.weight", parts, (1, 1, 1), (form, form, None)),)
    return (
        Reshaped("cls_token", "cls", alone(2)),
        Reshaped("pos_embed", "position.weight", rows(block.width)),
        Name("patch_embed.proj.*", "stem.*"),
        *(joined if fused else apart),
        _formed(bias, "blocks.*.attention.q.bias", bias_form),
        Name("blocks.*.attn.v_bias" if fused else f"{v}.bias", "blocks.*.attention.v.bias"),
        Name("blocks.*.attn.norm.*", "blocks.*.attention.norm.*"),
        Name("blocks.*.attn.proj.*", "blocks.*.attention.out.*"),
        Name("blocks.*.norm1.*", "blocks.*.norm1.*"),
        Name("blocks.*.norm2.*", "blocks.*.norm2.*"),
        *(MLP if block.mlp == "plain" else GATED),
        Name("blocks.*.mlp.norm.*", "blocks.*.mlp.norm.*"),
        Name("blocks.*.mlp.fc2.*", "blocks.*.mlp.down.*"),
        Name("norm.*", "post_norm.*"),
    )


MLP = (Name("blocks.*.mlp.fc1.*", "blocks.*.mlp.up.*"),)
GATED = (Name("blocks.*.mlp.fc1_g.*", "blocks.*.mlp.gate.*"), Name("blocks.*.mlp.fc1_x.*", "blocks.*.mlp.up.*"))


def _formed(theirs: str, ours: str, form: Form | None) -> Rule:
    return Name(theirs, ours) if form is None else Reshaped(theirs, ours, form)


def encoder(c: Config) -> Reading:
    """The encoder that the arguments of timm's class describe, and its names."""
    for field in ("use_post_norm", "use_rot_pos_emb", "swiglu_mlp", "scale_mlp", "scale_attn_inner", "qkv_fused"):
        c.only(field, False, True)
    c.only("use_post_norm", False)
    c.only("use_abs_pos_emb", True)
    c.only("qkv_bias", True)
    c.only("init_values", None)
    c.only("in_chans", 3)
    c.only("global_pool", "token")
    width, heads, turned = c.get("embed_dim", 768), c.get("num_heads", 12), c.get("use_rot_pos_emb", False)
    gated = c.get("swiglu_mlp", False)
    block = Block(
        width, heads, int(width * c.get("mlp_ratio", 4.0)), heads, width // heads, NORM, "silu" if gated else "gelu",
        "gated" if gated else "plain", k_bias=False, attention_norm=NORM if c.get("scale_attn_inner", False) else None,
        mlp_norm=NORM if c.get("scale_mlp", False) else None,
    )  # fmt: skip
    patch, side = c.get("patch_size", 16), c.get("img_size", 224)
    turn = Axial(side=reference(c)) if turned else None
    spec = ViT(block, c.get("depth", 12), patch, Table(side // patch), cls="keep", post_norm="applied", turn=turn)
    return Reading(spec, keys(block, c.get("qkv_fused", True), turned))


def reference(c: Config) -> int | None:
    shape = c.get("ref_feat_shape", None)
    if shape is None or isinstance(shape, int):
        return shape
    if shape[0] != shape[1]:
        raise BadConfig(f"{c.path}: ref_feat_shape = {shape!r} is not supported; a square is")
    side: int = shape[0]
    return side


def _alone(model_type: str, where: str) -> Layout:
    raise BadConfig(f"{where}: an encoder has no part of type {model_type!r}")


def known(**fields: object) -> Reading:
    return encoder(Config(fields, "eva", _alone))


SECOND = {
    "mlp_ratio": 4 * 2 / 3, "qkv_fused": False, "swiglu_mlp": True, "scale_mlp": True, "scale_attn_inner": True,
    "use_rot_pos_emb": True, "ref_feat_shape": 16,
}  # fmt: skip

GIANT = known(patch_size=14, embed_dim=1408, depth=40, num_heads=16, mlp_ratio=6144 / 1408)

TOWERS = {
    "eva_giant_patch14_224": GIANT,
    "eva_giant_patch14_clip_224": GIANT,
    "eva02_base_patch16_clip_224": known(patch_size=16, **SECOND),
    "eva02_large_patch14_clip_224": known(patch_size=14, embed_dim=1024, depth=24, num_heads=16, **SECOND),
    "eva02_large_patch14_clip_336": known(
        patch_size=14, img_size=336, embed_dim=1024, depth=24, num_heads=16, **SECOND
    ),
}  # fmt: skip
"""Towers of EVA-CLIP by the names under which OpenCLIP's configs mean them."""
