"""Folders of LLaVA, or with it as a part: fields of the config, names of the tensors."""

from dataclasses import replace

from chiasm.errors import BadConfig
from chiasm.layout import Config, Ignored, Layout, Name, Reading, Rule, Spoken, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, HALF, VIT_KEYS, crop_resize, head_keys, pixels, squash, vit_block
from chiasm.spec import (
    Bare,
    Causal,
    Decoder,
    JoinTiles,
    Longest,
    Mlp,
    Pinpoints,
    Pixels,
    Resize,
    RowEnds,
    Sight,
    Splice,
    Step,
    Table,
    ViT,
)
from chiasm.towers.llava import keys, mlp, tapped
from chiasm.towers.llava_chats import DIRECT, SQUARES, VICUNA_V1, Chats, spoken

CLIP_L_336 = {
    "model_type": "clip_vision_model", "intermediate_size": 4096, "hidden_size": 1024, "patch_size": 14, "image_size": 336,
    "num_hidden_layers": 24, "num_attention_heads": 16, "vocab_size": 32000, "projection_dim": 768,
}  # fmt: skip
"""The tower that a LLaVA config means where it names none."""


def see(c: Config) -> tuple[Reading, ViT, Reading, Decoder]:
    """What `llava` and `llava_next` configs share: tower and decoder, tied where either level says so."""
    c.assume(vision_config=CLIP_L_336, text_config={"model_type": "llama"})
    vision, text = c.part("vision_config", "clip_vision_model"), c.part("text_config", "llama")
    c.inert("image_seq_length", "ignore_index", "vocab_size", "image_token_id", "use_image_newline_parameter")
    c.nested[0].inert("vocab_size")
    decoder = replace(text.spec, tied=c.get("tie_word_embeddings", False) or text.spec.tied)
    return vision, tapped(c, vision.spec), text, decoder


def speaks(c: Config) -> str:
    """What kind of language model a config names."""
    return str(c.nested[1].data.get("model_type") or "llama")


def read(c: Config) -> Reading:
    vision, tower, text, decoder = see(c)
    name = c.pixels.data.get("image_processor_type", "CLIPImageProcessor").removesuffix("Fast")
    views: Resize | Longest
    marks: Bare | RowEnds = Bare()
    if name.startswith("Siglip"):
        views, look = squash(c.pixels, 224), pixels(c.pixels, HALF, HALF)
    elif name.startswith("Pixtral"):
        views, look, marks = longest(c.pixels, tower.patch), pixels(c.pixels, CLIP_MEAN, CLIP_STD), ROW_ENDS
    else:
        views, look = crop_resize(c.pixels, 224), pixels(c.pixels, CLIP_MEAN, CLIP_STD)
    image = c.first("image_token_index", "image_token_id", default=32000)
    sight = Sight(views, look, tower, (mlp(c, decoder.width),), Splice(image), marks)
    return Reading(Causal(decoder, sight), keys(vision, text, decoder), spoken=spoken(SQUARES, speaks(c), image))


def longest(c: Config, patch: int) -> Longest:
    """Pixtral's preprocessing: no edge above a limit, both multiples of a patch."""
    c.only("patch_size", patch, {"height": patch, "width": patch})
    size = c.get("size", {"longest_edge": 1024})
    return Longest(size["longest_edge"] if "longest_edge" in size else size["height"], patch)


ROW_ENDS = RowEnds("[IMG_BREAK]", "[IMG_END]")


# --- the original code's own folders ----------------------------------------------------------------------------------------


def read_original(c: Config) -> Reading:
    text = c.flat("llama")
    c.only("mm_vision_select_feature", "patch", "cls_patch")
    inner = c.nest("vision_config")
    tower = ViT(
        vit_block(inner, width=1024, heads=16, mlp_width=4096, act="quick_gelu", eps=1e-5), inner.get("num_hidden_layers", 24),
        inner.get("patch_size", 14), Table(inner.get("image_size", 336) // inner.get("patch_size", 14)),
        stem_bias=False, cls="keep" if c.get("mm_vision_select_feature", "patch") == "cls_patch" else "drop",
        pre_norm=True, post_norm="idle", taps=(c.get("mm_vision_select_layer", -2),),
    )  # fmt: skip
    width = text.spec.width
    steps, projector = _projector(c, width)
    side = inner.get("image_size", 336)
    views, join = _original_views(c, side)
    c.inert(
        "mm_hidden_size",
        "use_mm_proj",
        "mm_use_im_start_end",
        "mm_use_im_patch_token",
        "mm_vision_tower",
        "tune_mm_mlp_adapter",
    )
    c.inert(
        "freeze_mm_mlp_adapter",
        "tokenizer_padding_side",
        "tokenizer_model_max_length",
        "mm_projector_lr",
        "unfreeze_mm_vision_tower",
    )
    sight = Sight(
        views, Pixels(CLIP_MEAN, CLIP_STD), tower, (steps, *join), Splice(c.get("image_token_index", -200), named="<image>")
    )
    rules = (
        *under("model.", "language.", text.keys),
        *head_keys("lm_head.weight", text.spec.tied),
        *under("model.vision_tower.vision_tower.vision_model.", "vision.", VIT_KEYS),
        *projector,
        Name("model.image_newline", "connect.steps.1.newline") if JoinTiles() in join else Ignored("model.image_newline"),
    )
    return Reading(Causal(text.spec, sight), rules, spoken=told(c, steps))


ORIGINAL: Chats = {("llama", 32000): VICUNA_V1, ("llama", 64000): DIRECT}


def told(c: Config, projector: Mlp) -> Spoken:
    """How the original code's own folder was spoken to. Those of one linear layer, LLaVA 1.0's, were so in three ways that no
    config tells of."""
    if projector.depth == 1:
        return Spoken(None, "LLaVA 1.0, which was trained with v0, v1 or Llama 2's turns")
    return spoken(ORIGINAL, "llama", c.get("vocab_size", 32000))


def _projector(c: Config, width: int) -> tuple[Mlp, tuple[Rule, ...]]:
    kind = c.get("mm_projector_type", "linear")
    if kind == "linear":
        return Mlp(width, width, depth=1), (Name("model.mm_projector.*", "connect.steps.0.layers.0.*"),)
    depth, _, tail = kind.removeprefix("mlp").partition("x")
    if tail != "_gelu" or not depth.isdigit():
        raise BadConfig(f"{c.path}: mm_projector_type = {kind!r} is not supported; 'linear' and 'mlpNx_gelu' are")
    rules = (Name(f"model.mm_projector.{2 * n}.*", f"connect.steps.0.layers.{n}.*") for n in range(int(depth)))
    return Mlp(width, width, depth=int(depth)), tuple(rules)


def _original_views(c: Config, side: int) -> tuple[Resize | Pinpoints, tuple[Step, ...]]:
    aspect, merge = c.get("image_aspect_ratio", "square"), c.get("mm_patch_merge_type", "flat")
    points = c.get("image_grid_pinpoints", [])
    if aspect == "anyres" and merge in ("spatial", "spatial_unpad"):
        join = JoinTiles("picture" if merge == "spatial_unpad" else "canvas")
        return Pinpoints(side, tuple((high, wide) for wide, high in points)), (join,)
    if aspect in ("square", "pad") and merge == "flat":
        return Resize(side, side, "pad" if aspect == "pad" else "crop"), ()
    message = f"{c.path}: image_aspect_ratio = {aspect!r} with mm_patch_merge_type = {merge!r} is not supported"
    raise BadConfig(message)


LAYOUTS = (Layout("llava", read), Layout("llava_llama", read_original))
