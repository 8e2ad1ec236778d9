"""OpenCLIP (arXiv:2212.07143): CLIP in the open code's own files, with towers that are ViTs, CLIP's ResNets or EVA's.

A folder holds open_clip_config.json, where `model_cfg` describes the model, or that object alone as config.json.
"""

from dataclasses import replace
from typing import Any

from chiasm.errors import BadConfig
from chiasm.layout import Config, Fused, Ignored, Layout, Name, Reading, Reshaped, Rule, transposed, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, HALF, triple
from chiasm.spec import (
    Activation,
    Block,
    ClsProject,
    Encode,
    Encoder,
    Family,
    GridPool,
    Match,
    MeanProject,
    Norm,
    Pixels,
    Pool,
    Resize,
    ResNet,
    Table,
    TextTower,
    ViT,
)
from chiasm.towers.plain import tower
from chiasm.towers.residual import resnet
from chiasm.towers.rotary import TOWERS, encoder

BLOCKS: tuple[Rule, ...] = (
    Name("transformer.resblocks.*.ln_1.*", "blocks.*.norm1.*"),
    Name("transformer.resblocks.*.ln_2.*", "blocks.*.norm2.*"),
    *(
        Fused(
            f"transformer.resblocks.*.attn.in_proj_{kind}",
            tuple(f"blocks.*.attention.{part}.{kind}" for part in "qkv"),
            (1, 1, 1),
        )
        for kind in ("weight", "bias")
    ),
    Name("transformer.resblocks.*.attn.out_proj.*", "blocks.*.attention.out.*"),
    Name("transformer.resblocks.*.mlp.c_fc.*", "blocks.*.mlp.up.*"),
    Name("transformer.resblocks.*.mlp.c_proj.*", "blocks.*.mlp.down.*"),
    Name("transformer.resblocks.*.ls_1.gamma", "blocks.*.scale1.weight"),
    Name("transformer.resblocks.*.ls_2.gamma", "blocks.*.scale2.weight"),
)

VIT: tuple[Rule, ...] = (
    *BLOCKS,
    Name("class_embedding", "cls"),
    Name("positional_embedding", "position.weight"),
    Name("conv1.weight", "stem.weight"),
    Name("ln_pre.*", "pre_norm.*"),
    Name("ln_post.*", "post_norm.*"),
)


def block(c: Config, width: int, heads: int, act: Activation) -> Block:
    c.only("act_kwargs", {})
    c.only("norm_kwargs", {})
    hidden = int(width * c.get("mlp_ratio", 4.0))
    return Block(width, heads, hidden, heads, width // heads, Norm("layer", 1e-5), act)


def vision(c: Config, act: Activation, embed: int) -> tuple[Encoder, Pool, tuple[Rule, ...]]:
    """The tower that a `vision_cfg` describes, its head, and the names of both under `visual.`."""
    c.inert("image_size", "patch_dropout", "output_tokens", "timm_model_pretrained", "timm_drop", "timm_drop_path")
    if c.data.get("timm_model_name"):
        return timm(c, embed)
    if isinstance(c.get("layers", 12), list):
        return resnet(c, embed, image_size(c)[0])
    c.only("attentional_pool", False)
    c.only("no_ln_pre", False)
    c.only("final_ln_after_pool", False)
    c.only("pos_embed_type", "learnable")
    c.only("input_patchnorm", False)
    c.only("pool_type", "tok", "avg")
    width, patch = c.get("width", 768), c.get("patch_size", 16)
    inner = block(c, width, width // c.get("head_width", 64), act)
    inner = replace(inner, layer_scale=c.get("ls_init_value", None) is not None)
    spec = ViT(
        inner, c.get("layers", 12), patch, Table(image_size(c)[0] // patch), stem_bias=False, cls="keep", pre_norm=True,
        post_norm="idle",
    )  # fmt: skip
    pool = MeanProject(embed) if c.get("pool_type", "tok") == "avg" else ClsProject(embed)
    head = Reshaped("proj", "pool.project.weight", transposed(width, embed))
    return spec, pool, (head, *under("", "vision.", VIT))


def timm(c: Config, embed: int) -> tuple[Encoder, Pool, tuple[Rule, ...]]:
    name = c.get("timm_model_name")
    c.only("timm_pool", "token")
    c.only("timm_proj", "")
    c.only("timm_proj_bias", False)
    if name not in TOWERS:
        raise BadConfig(f"{c.path}: timm_model_name = {name!r} is not supported; {', '.join(TOWERS)} are")
    found = TOWERS[name]
    head = (Name("trunk.head.*", "pool.project.*"),)
    return found.spec, ClsProject(embed, bias=True), (*head, *under("trunk.", "vision.", found.keys))


def image_size(c: Config) -> tuple[int, int]:
    size = c.get("image_size", 224)
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def text(c: Config, act: Activation, embed: int) -> Reading:
    for field in ("embed_cls", "no_causal_mask", "final_ln_after_pool", "proj_bias", "hf_model_name", "correct_cls_mask"):
        c.only(field, False)
    c.only("pool_type", "argmax")
    c.only("proj_type", "linear")
    c.only("ls_init_value", None)
    c.inert("pad_id", "output_tokens", "hf_tokenizer_name", "hf_model_pretrained", "tokenizer_kwargs")
    width, vocab = c.get("width", 512), c.get("vocab_size", 49408)
    spec = TextTower(
        block(c, width, c.get("heads", 8), act), c.get("layers", 12), vocab, c.get("context_length", 77), "causal", "highest",
        vocab - 1, embed, project_bias=False,
    )  # fmt: skip
    keys = (
        *BLOCKS,
        Name("token_embedding.weight", "embed.weight"),
        Name("positional_embedding", "position.weight"),
        Name("ln_final.*", "norm.*"),
        Reshaped("text_projection", "project.weight", transposed(width, embed)),
        Ignored("attn_mask"),
    )
    return Reading(spec, keys)


def read(c: Config) -> Reading:
    return reading(c, Config({}, "the preprocessor", lambda *_: LAYOUTS[0]))


def read_file(c: Config) -> Reading:
    return reading(c.nest("model_cfg"), c.nest("preprocess_cfg"))


def reading(c: Config, preprocess: Config) -> Reading:
    embed = c.get("embed_dim")
    act: Activation = "quick_gelu" if c.get("quick_gelu", False) else "gelu"
    c.only("multimodal_cfg", None)
    c.only("init_logit_bias", None)
    c.inert("custom_text", "init_logit_scale", "text_pretrained", "vision_pretrained", "output_dict", "nonscalar_logit_scale")
    look = c.nest("vision_cfg")
    eye, pool, seen = vision(look, act, embed)
    written = text(c.nest("text_cfg"), act, embed)
    views, colours = preprocessing(preprocess, image_size(look))
    rules = (
        *under("visual.", "", seen),
        *under("text." if c.data.get("custom_text") else "", "text.", written.keys),
        Name("logit_scale", "logits.scale"),
    )
    return Reading(Match(views, colours, eye, pool, written.spec, "softmax"), rules)


def preprocessing(c: Config, size: tuple[int, int]) -> tuple[Resize, Pixels]:
    c.only("interpolation", "bicubic")
    c.only("mode", "RGB")
    c.only("resize_mode", "shortest", "squash")
    c.inert("size", "fill_color")
    colours = Pixels(triple(c.get("mean", CLIP_MEAN)), triple(c.get("std", CLIP_STD)))
    return Resize(*size, "squash" if c.get("resize_mode", "shortest") == "squash" else "crop", centre="even"), colours


def read_timm(c: Config) -> Reading:
    eye, side = encoder(c), c.get("img_size", 224)
    spec = Encode(Resize(side, side), Pixels(HALF, HALF), eye.spec, ClsProject(c.get("num_classes", 1000), bias=True))
    return Reading(spec, (*under("", "vision.", eye.keys), Name("head.*", "pool.project.*")))


LAYOUTS = (
    Layout("open_clip", read, ("embed_dim", "vision_cfg", "text_cfg")),
    Layout("open_clip_config", read_file, ("model_cfg",)),
    Layout("timm_eva", read_timm, ("img_size", "embed_dim", "num_heads", "num_classes")),
)


def vit(width: int, heads: int, hidden: int, depth: int, patch: int) -> ViT:
    table = Table(224 // patch)
    return ViT(tower(width, heads, hidden), depth, patch, table, stem_bias=False, cls="keep", pre_norm=True, post_norm="idle")


def words(width: int, depth: int, embed: int, act: Activation = "gelu") -> TextTower:
    block = tower(width, width // 64, 4 * width, act)
    return TextTower(block, depth, 49408, 77, "causal", "highest", 49407, embed, project_bias=False)


def net(stem: int, blocks: tuple[int, int, int, int], embed: int, side: int, width: int) -> dict[str, Any]:
    return {
        "encoder": ResNet(stem, blocks), "pool": GridPool(embed, stem // 2, side // 32),
        "text": words(width, 12, embed, "quick_gelu"), "views.height": side, "views.width": side,
    }  # fmt: skip


def eva(name: str, width: int, embed: int) -> dict[str, Any]:
    return {"encoder": TOWERS[name].spec, "pool": ClsProject(embed, bias=True), "text": words(width, 12, embed)}


FAMILIES = (
    Family(
        name="openclip",
        title="OpenCLIP",
        paper="2212.07143",
        year=2022,
        layout="open_clip",
        model=Match(
            Resize(224, 224, "crop", centre="even"),
            Pixels(CLIP_MEAN, CLIP_STD),
            vit(768, 12, 3072, 12, 32),
            ClsProject(512),
            words(512, 12, 512),
            "softmax",
        ),
        sizes={
            "b32": {},
            "l14": {"encoder": vit(1024, 16, 4096, 24, 14), "pool.width": 768, "text": words(768, 12, 768)},
            "h14": {"encoder": vit(1280, 16, 5120, 32, 14), "pool.width": 1024, "text": words(1024, 24, 1024)},
            "bigg14": {"encoder": vit(1664, 16, 8192, 48, 14), "pool.width": 1280, "text": words(1280, 32, 1280)},
        },
        reference="open_clip.CLIP",
        proof="recorded",
    ),
    Family(
        name="clip-resnet",
        title="CLIP ResNet",
        paper="2103.00020",
        year=2021,
        layout="open_clip",
        model=Match(
            Resize(224, 224, "crop", centre="even"),
            Pixels(CLIP_MEAN, CLIP_STD),
            ResNet(64, (3, 4, 6, 3)),
            GridPool(1024, 32, 7),
            words(512, 12, 1024, "quick_gelu"),
            "softmax",
        ),
        sizes={
            "rn50": {},
            "rn101": net(64, (3, 4, 23, 3), 512, 224, 512),
            "rn50x4": net(80, (4, 6, 10, 6), 640, 288, 640),
        },
        reference="open_clip.CLIP",
        proof="recorded",
    ),
    Family(
        name="eva-clip",
        title="EVA-CLIP",
        paper="2303.15389",
        year=2023,
        layout="open_clip",
        model=Match(
            Resize(224, 224, "crop", centre="even"),
            Pixels(CLIP_MEAN, CLIP_STD),
            TOWERS["eva02_base_patch16_clip_224"].spec,
            ClsProject(512, bias=True),
            words(512, 12, 512),
            "softmax",
        ),
        sizes={
            "eva02-b16": {},
            "eva02-l14": eva("eva02_large_patch14_clip_224", 768, 768),
            "eva01-g14": eva("eva_giant_patch14_clip_224", 768, 1024),
        },
        reference="timm.Eva and a text tower of open_clip, each recorded apart",
        proof="reduction",
    ),
)
