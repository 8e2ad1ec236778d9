"""OpenCLIP (arXiv:2212.07143): CLIP in the open code's own files, with towers that are ViTs, CLIP's ResNets or EVA's.

A folder holds open_clip_config.json, where `model_cfg` describes the model, or that object alone as config.json.
"""

from dataclasses import replace
from typing import Any

from chiasm.errors import BadConfig
from chiasm.families.clip import tower as clip_tower
from chiasm.families.eva import TOWERS
from chiasm.layout import Config, Fused, Ignored, Layout, Name, Reading, Reshaped, Rule, transposed, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, triple
from chiasm.spec import (
    Activation,
    Block,
    ClsProject,
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


def conv(theirs: str, number: int, ours: str) -> tuple[Rule, ...]:
    """One convolution and its batch norm."""
    return (Name(f"{theirs}conv{number}.weight", f"{ours}.conv.weight"), *batch_norm(f"{theirs}bn{number}", f"{ours}.norm"))


def batch_norm(theirs: str, ours: str) -> tuple[Rule, ...]:
    names = {"weight": "weight", "bias": "bias", "running_mean": "mean", "running_var": "variance"}
    return (*(Name(f"{theirs}.{a}", f"{ours}.{b}") for a, b in names.items()), Ignored(f"{theirs}.num_batches_tracked"))


def stage(number: int) -> tuple[Rule, ...]:
    theirs, ours = f"layer{number + 1}.*.", f"stages.{number}.*."
    return (
        *conv(theirs, 1, f"{ours}narrow"),
        *conv(theirs, 2, f"{ours}mix"),
        *conv(theirs, 3, f"{ours}widen"),
        Name(f"{theirs}downsample.0.weight", f"{ours}shortcut.conv.weight"),
        *batch_norm(f"{theirs}downsample.1", f"{ours}shortcut.norm"),
    )


RESNET = (
    *(rule for number in range(3) for rule in conv("", number + 1, f"stem.{number}")),
    *(rule for number in range(4) for rule in stage(number)),
)

GRID_POOL = (
    Name("attnpool.positional_embedding", "position"),
    Name("attnpool.q_proj.*", "q.*"),
    Name("attnpool.k_proj.*", "k.*"),
    Name("attnpool.v_proj.*", "v.*"),
    Name("attnpool.c_proj.*", "out.*"),
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
        return resnet(c, embed)
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


def resnet(c: Config, embed: int) -> tuple[Encoder, Pool, tuple[Rule, ...]]:
    one, two, three, four = c.get("layers")
    spec = ResNet(c.get("width", 64), (one, two, three, four))
    c.inert("patch_size", "mlp_ratio")
    heads = spec.width // c.get("head_width", 64)
    pool = GridPool(embed, heads, image_size(c)[0] // 32)
    return spec, pool, (*under("", "vision.", RESNET), *under("", "pool.", GRID_POOL))


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
    embed, act = c.get("embed_dim"), "quick_gelu" if c.get("quick_gelu", False) else "gelu"
    c.only("multimodal_cfg", None)
    c.only("init_logit_bias", None)
    c.inert("custom_text", "init_logit_scale", "text_pretrained", "vision_pretrained", "output_dict", "nonscalar_logit_scale")
    look = c.nest("vision_cfg")
    encoder, pool, seen = vision(look, act, embed)
    words = text(c.nest("text_cfg"), act, embed)
    views, colours = preprocessing(preprocess, image_size(look))
    rules = (
        *under("visual.", "", seen),
        *under("text." if c.data.get("custom_text") else "", "text.", words.keys),
        Name("logit_scale", "logits.scale"),
    )
    return Reading(Match(views, colours, encoder, pool, words.spec, "softmax"), rules)


def preprocessing(c: Config, size: tuple[int, int]) -> tuple[Resize, Pixels]:
    c.only("interpolation", "bicubic")
    c.only("mode", "RGB")
    c.only("resize_mode", "shortest", "squash")
    c.inert("size", "fill_color")
    colours = Pixels(triple(c.get("mean", CLIP_MEAN)), triple(c.get("std", CLIP_STD)))
    return Resize(*size, "squash" if c.get("resize_mode", "shortest") == "squash" else "crop", centre="even"), colours


LAYOUTS = (
    Layout("open_clip", read, ("embed_dim", "vision_cfg", "text_cfg")),
    Layout("open_clip_config", read_file, ("model_cfg",)),
)


def tower(width: int, heads: int, hidden: int) -> Block:
    return replace(clip_tower(width, heads, hidden), act="gelu")


def vit(width: int, heads: int, hidden: int, depth: int, patch: int) -> ViT:
    table = Table(224 // patch)
    return ViT(tower(width, heads, hidden), depth, patch, table, stem_bias=False, cls="keep", pre_norm=True, post_norm="idle")


def words(width: int, heads: int, depth: int, embed: int, act: Activation = "gelu") -> TextTower:
    block = replace(tower(width, heads, 4 * width), act=act)
    return TextTower(block, depth, 49408, 77, "causal", "highest", 49407, embed, project_bias=False)


def net(stem: int, blocks: tuple[int, int, int, int], embed: int, side: int, text: int) -> dict[str, Any]:
    """One of CLIP's ResNets in place of the ViT."""
    return {
        "encoder": ResNet(stem, blocks), "pool": GridPool(embed, stem // 2, side // 32),
        "text": words(text, text // 64, 12, embed, "quick_gelu"), "views.height": side, "views.width": side,
    }  # fmt: skip


def seen(name: str, width: int, embed: int) -> dict[str, Any]:
    """One of EVA's towers in place of the ViT."""
    pool = ClsProject(embed, bias=True)
    return {"encoder": TOWERS[name].spec, "pool": pool, "text": words(width, width // 64, 12, embed)}


MODEL = Match(
    Resize(224, 224, "crop", centre="even"), Pixels(CLIP_MEAN, CLIP_STD), vit(768, 12, 3072, 12, 32), ClsProject(512), words(512, 8, 12, 512),
    "softmax",
)  # fmt: skip

FAMILIES = (
    Family(
        name="openclip",
        title="OpenCLIP",
        paper="2212.07143",
        year=2022,
        layout="open_clip",
        model=MODEL,
        sizes={
            "b32": {},
            "l14": {"encoder": vit(1024, 16, 4096, 24, 14), "pool.width": 768, "text": words(768, 12, 12, 768)},
            "h14": {"encoder": vit(1280, 16, 5120, 32, 14), "pool.width": 1024, "text": words(1024, 16, 24, 1024)},
            "bigg14": {"encoder": vit(1664, 16, 8192, 48, 14), "pool.width": 1280, "text": words(1280, 20, 32, 1280)},
        },
        reference="open_clip.CLIP",
    ),
    Family(
        name="clip-resnet",
        title="CLIP ResNet",
        paper="2103.00020",
        year=2021,
        layout="open_clip",
        model=Match(
            Resize(224, 224, "crop", centre="even"), Pixels(CLIP_MEAN, CLIP_STD), ResNet(64, (3, 4, 6, 3)), GridPool(1024, 32, 7),
            words(512, 8, 12, 1024, "quick_gelu"), "softmax",
        ),
        sizes={
            "rn50": {},
            "rn101": net(64, (3, 4, 23, 3), 512, 224, 512),
            "rn50x4": net(80, (4, 6, 10, 6), 640, 288, 640),
        },
        reference="open_clip.CLIP",
    ),
    Family(
        name="eva-clip",
        title="EVA-CLIP",
        paper="2303.15389",
        year=2023,
        layout="open_clip",
        model=Match(
            Resize(224, 224, "crop", centre="even"), Pixels(CLIP_MEAN, CLIP_STD), TOWERS["eva02_base_patch16_clip_224"].spec,
            ClsProject(512, bias=True), words(512, 8, 12, 512), "softmax",
        ),
        sizes={
            "eva02-b16": {},
            "eva02-l14": seen("eva02_large_patch14_clip_224", 768, 768),
            "eva01-g14": seen("eva_giant_patch14_clip_224", 768, 1024),
        },
        reference="open_clip.CustomTextCLIP",
    ),
)  # fmt: skip
