"""The original code's folders of DeepSeek-VL and Janus: parts named by class, towers by a name that stands for their sizes.

Their preprocessor rounds edges down, where the library's rounds to the nearest, and the 7B's coarse view is made of the fine
one's numbers, not of its pixels. No config says which id pictures have: the tokenizer does.
"""

from dataclasses import dataclass, replace
from typing import TypeVar

from chiasm.errors import BadConfig
from chiasm.layout import Config, Ignored, Layout, Name, Reading, Rule, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, head_keys, triple
from chiasm.spec import (
    Align,
    Around,
    Bare,
    Block,
    Both,
    Carried,
    Causal,
    Coarsened,
    Decoder,
    Letterbox,
    LowHigh,
    Mlp,
    Norm,
    Pixels,
    Sight,
    Splice,
    Table,
    ViT,
    WindowedViT,
)
from chiasm.towers import deepseek, janus
from chiasm.towers.sam import B16, NECK, named, tower_keys

Tower = TypeVar("Tower", ViT, WindowedViT)

SO400M = ViT(Block(1152, 16, 4304, 16, 72, Norm("layer", 1e-6), "gelu"), 27, 14, Table(27), post_norm="applied")

SIGLIPS = {
    "siglip_large_patch16_384": deepseek.SIGLIP_L, "siglip_so400m_patch14_384": SO400M, "siglip_so400m_patch14_224": SO400M,
}  # fmt: skip
SAMS = {"sam_b_downsample": B16}
"""What the original code builds by these names."""

STEM, TIMES, BLOCKS, LATENT = 128, (1, 1, 2, 2, 4), 2, 256
"""Of its tokenizer of pictures, VQ-16."""

IMAGE, IDS = "<image_placeholder>", {"sees": 100015, "draws": 100581}
"""A picture's placeholder, and its id in the published tokenizers."""


@dataclass(frozen=True)
class Eye:
    """A tower or two, what leads them to the decoder, the views they are shown, and where all of it stands in a file."""

    encoder: ViT | Both
    connector: Mlp | Align
    views: Letterbox | LowHigh
    look: Pixels
    keys: tuple[Rule, ...]


def read(c: Config) -> Reading:
    c.data = {"language_config": {"model_type": "llama"}, **c.data}
    text = c.part("language_config", "llama")
    seen, led = c.nest("vision_config"), c.nest("aligner_config")
    led.only("cls", "MlpProjector")
    seen.only("cls", "CLIPVisionTower", "HybridVisionTower")
    params = seen.nest("params")
    make = hybrid if seen.get("cls", "CLIPVisionTower") == "HybridVisionTower" else single
    eye = make(c, params, led.nest("params"), text.spec)
    drawn, more = drawing(c, text.spec) if "gen_vision_config" in c.data else (None, ())
    draws = drawn is not None
    fusion = Splice(IDS["draws" if draws else "sees"], named=IMAGE)
    marks: Around | Bare = janus.MARKS if draws else Bare()
    keys = (
        *eye.keys,
        *under("language_model.model.", "language.", text.keys),
        *head_keys("language_model.lm_head.weight", text.spec.tied),
        *more,
    )
    sight = Sight(eye.views, eye.look, eye.encoder, (eye.connector,), fusion, marks, drawn)
    return Reading(Causal(text.spec, sight), keys, chat=janus.CHAT if draws else deepseek.CHAT)


def single(c: Config, params: Config, led: Config, text: Decoder) -> Eye:
    tower = siglip(params)
    led.only("projector_type", "mlp_gelu")
    fits(led, tower.width, text.width)
    views, background = framed(c.pixels, params.get("image_size", 336))
    look = normalised(c.pixels, params)
    if look.mean != background:
        raise BadConfig(f"{params.path}: pixel_mean = {look.mean} is not supported; the preprocessor's image_mean is")
    depth = led.get("depth", 1)
    keys = (
        *under("vision_model.vision_tower.", "vision.", deepseek.timm_keys(tower.block.width)),
        *(Name(f"aligner.layers.{2 * number}.*", f"connect.steps.0.layers.{number}.*") for number in range(depth)),
    )
    return Eye(tower, Mlp(text.width, text.width, depth), views, look, keys)


def hybrid(c: Config, params: Config, led: Config, text: Decoder) -> Eye:
    params.only("concat_type", "tuple")
    params.inert("freeze_high", "freeze_low")
    coarse, fine = params.nest("low_res_cfg"), params.nest("high_res_cfg")
    low, tower = siglip(coarse), sam(fine)
    high = Coarsened(tower, tower.full[0], coarse.get("image_size", 336) // low.patch)
    fine.only("output_dim", high.width)
    led.only("projector_type", "low_high_hybrid_split_mlp_gelu")
    led.only("depth", 2)
    fits(led, low.width, text.width)
    views, background = framed(c.pixels, fine.get("image_size", 1024))
    look, finer = normalised(c.pixels, coarse), normalised(c.pixels, fine)
    if finer.mean != background:
        raise BadConfig(f"{fine.path}: pixel_mean = {finer.mean} is not supported; the preprocessor's image_mean is")
    keys = (
        *under("vision_model.vision_tower_low.vision_tower.", "vision.low.", deepseek.timm_keys(low.block.width)),
        *under("vision_model.vision_tower_high.vision_tower.", "vision.high.", (
            *under("", "tower.", tower_keys(tower, "original")),
            *named(NECK, "original", "neck_hd.", "neck."),
            Name("downsamples.0.*", "halve1.*"),
            Name("downsamples.1.*", "halve2.*"),
            Name("hd_alpha_downsamples", "share"),
        )),
        Ignored("vision_model.high_layer_norm.**"),
        Ignored("vision_model.low_layer_norm.**"),
        Name("aligner.high_up_proj.*", "connect.steps.0.parts.0.*"),
        Name("aligner.low_up_proj.*", "connect.steps.0.parts.1.*"),
        Name("aligner.layers.1.*", "connect.steps.0.out.*"),
    )  # fmt: skip
    both = LowHigh(coarse.get("image_size", 336), views, finer, "numbers")
    return Eye(Both(low, high), Align((high.width, low.width), text.width), both, look, keys)


def siglip(c: Config) -> ViT:
    """A tower by its name, cut off after the layer that is selected; its last norm is applied there."""
    whole, kept = known(c, SIGLIPS), c.get("select_layer", -2)
    c.inert("select_feature", "ckpt_path")
    depth = min(whole.depth, whole.depth + kept + 1 if kept <= 0 else kept)
    return replace(whole, depth=depth, position=Table(c.get("image_size", 336) // whole.patch))


def sam(c: Config) -> WindowedViT:
    tower = known(c, SAMS)
    c.inert("select_feature", "select_layer", "ckpt_path")
    return replace(tower, side=c.get("image_size", 1024) // tower.patch)


def known(c: Config, towers: dict[str, Tower]) -> Tower:
    name = c.get("model_name")
    if name not in towers:
        raise BadConfig(f"{c.path}: model_name = {name!r} is not a tower that is known; {', '.join(towers)} are")
    return towers[name]


def fits(c: Config, width: int, text: int) -> None:
    c.only("input_dim", width)
    c.only("n_embed", text)


def framed(c: Config, side: int) -> tuple[Letterbox, tuple[float, float, float]]:
    """How the preprocessor frames a picture, and the mean whose colour stands around it."""
    c.only("image_size", side)
    c.inert("background_color", "image_processor_type", "processor_class")
    return Letterbox(side, c.get("min_size", 14), "down"), triple(c.get("image_mean", CLIP_MEAN))


def normalised(c: Config, tower: Config) -> Pixels:
    """Pixels become a tower's numbers in the preprocessor, or in the tower where that is told to leave them; never in both."""
    own = tower.get("pixel_mean", None)
    mean, std = c.get("image_mean", CLIP_MEAN), c.get("image_std", CLIP_STD)
    if c.get("do_normalize", True) == (own is not None):
        raise BadConfig(f"{c.path}: do_normalize is not supported with this pixel_mean; one of the two is")
    if own is not None:
        mean, std = own, tower.get("pixel_std")
    return Pixels(triple(mean), triple(std), c.get("rescale_factor", 1 / 255))


def drawing(c: Config, text: Decoder) -> tuple[Carried, tuple[Rule, ...]]:
    """Janus' other half, which is carried from file to file."""
    eye, led, head = (c.nest(name) for name in ("gen_vision_config", "gen_aligner_config", "gen_head_config"))
    eye.only("cls", "VQ-16")
    led.only("cls", "MlpProjector")
    head.only("cls", "vision_head")
    codes, aligned, written = eye.nest("params"), led.nest("params"), head.nest("params")
    aligned.only("projector_type", "mlp_gelu")
    written.only("n_embed", text.width)
    count, width, inner = codes.get("image_token_size", 16384), codes.get("n_embed", 8), aligned.get("n_embed", text.width)
    aligned.only("input_dim", width)
    written.only("image_token_size", count)
    written.only("image_token_embed", inner)
    depth = aligned.get("depth", 1)
    spec = janus.drawing(
        (STEM, *(STEM * factor for factor in TIMES)), BLOCKS, LATENT, count, width, inner, text.width, depth
    )  # fmt: skip
    return spec, (*TOKENIZER_KEYS, *drawn_keys(depth))


def drawn_keys(depth: int) -> tuple[Rule, ...]:
    return (
        Name("gen_embed.weight", "carried.generation_embeddings.weight"),
        Name("gen_aligner.layers.0.*", "carried.generation_aligner.fc1.*"),
        *(
            Name(f"gen_aligner.layers.{2 * number + 2}.*", f"carried.generation_aligner.hidden_layers.{number}.*")
            for number in range(depth - 1)
        ),
        Name("gen_head.output_mlp_projector.*", "carried.generation_head.proj_out.*"),
        Name("gen_head.vision_head.*", "carried.generation_head.vision_head.*"),
    )


TOKENIZER_KEYS: tuple[Rule, ...] = (
    *(
        Name(f"gen_vision_model.{half}.conv_blocks.*.{theirs}.**", f"carried.vqmodel.{half}.{level}.*.{ours}.**")
        for half, level, change in (("encoder", "down", "downsample"), ("decoder", "up", "upsample"))
        for theirs, ours in (("res", "block"), ("attn", "attn"), (change, change))
    ),
    *(
        Name(f"gen_vision_model.{half}.mid.{number}.**", f"carried.vqmodel.{half}.mid.{ours}.**")
        for half in ("encoder", "decoder")
        for number, ours in enumerate(("block_1", "attn_1", "block_2"))
    ),
    Ignored("gen_vision_model.quantize.codebook_used"),
    Name("gen_vision_model.**", "carried.vqmodel.**"),
)

LAYOUTS = (Layout("multi_modality", read),)
