"""PLLaVA (arXiv:2404.16994): LLaVA over clips, whose projected patches are averaged in time and space by neighbours."""

from dataclasses import replace

from chiasm.errors import BadConfig
from chiasm.layout import Adapters, Config, Ignored, Layout, Name, Reading
from chiasm.readers import CLIP_MEAN, CLIP_STD, pixels, taken
from chiasm.spec import Causal, Connect, Decoder, Even, Family, Frames, Mlp, Pixels, PoolTime, Resize, Sight, Splice
from chiasm.towers.adapted import adapted
from chiasm.towers.decoders import llama
from chiasm.towers.llava import VICUNA, clip_large


def pool(c: Config) -> PoolTime:
    c.only("use_pooling", True)
    c.only("pooling_method", "avg")
    return PoolTime(c.get("num_frames", 16), *c.get("pooling_shape", (16, 12, 12)))


def chosen(frames: int) -> Even:
    """The original code's frames: as many as it was trained with, each half a part after the part's beginning."""
    return Even(frames, "halves")


def read(c: Config) -> Reading:
    c.inert("max_sequence_length", "image_grid_pinpoints")
    lora = c.get("lora", None)
    plain = c.flat("llava")
    seen = plain.spec.sight
    step, cells = pool(c), tuple(c.get("frame_shape", (24, 24)))
    views = seen.views
    grid = (views.height // seen.encoder.patch, views.width // seen.encoder.patch)
    if cells != grid:
        raise BadConfig(f"{c.path}: frame_shape = {list(cells)} is not supported with frames of {grid[0]} x {grid[1]} patches")
    clips = Frames(taken(c.clips, chosen(step.frames)), views, pixels(c.clips, CLIP_MEAN, CLIP_STD), step.frames)
    sight = replace(seen, connector=(*seen.connector, step), clips=clips)
    keys = (*plain.keys, *adapted("language_model"), Ignored("image_newline"))
    return Reading(Causal(plain.spec.decoder, sight), keys, adapters=None if lora is None else Adapters(**lora))


def read_projector(c: Config) -> Reading:
    """A recorded folder of projector and pooling alone."""
    width, hidden = c.get("vision_hidden_size"), c.get("text_hidden_size")
    high, wide = c.get("frame_shape")
    steps = (Mlp(hidden, hidden, depth=2, act=c.act("projector_hidden_act", "gelu")), pool(c))
    keys = tuple(
        Name(f"multi_modal_projector.linear_{number + 1}.*", f"connect.steps.0.layers.{number}.*") for number in range(2)
    )
    return Reading(Connect(width, (high, wide), steps), keys)


LAYOUTS = (
    Layout("pllava", read, signs=("pooling_shape", "text_config")),
    Layout("pllava_projector", read_projector, signs=("pooling_shape", "text_hidden_size")),
)


def pllava(text: Decoder, image: int) -> Causal:
    steps = (Mlp(text.width, text.width), PoolTime(16, 16, 12, 12))
    look = (Resize(336, 336, "crop"), Pixels(CLIP_MEAN, CLIP_STD))
    return Causal(text, Sight(*look, clip_large(336), steps, Splice(image), clips=Frames(chosen(16), *look, 16)))


VICUNA_13B = pllava(llama(5120, 40, 40, 40, 13824, 32064), 32000)
YI_34B = pllava(llama(7168, 60, 56, 8, 20480, 64064, 5000000.0), 64000)

FAMILIES = (
    Family(
        name="pllava",
        title="PLLaVA",
        paper="2404.16994",
        year=2024,
        layout="pllava",
        model=pllava(llama(4096, 32, 32, 32, 11008, 32064), 32000),
        sizes={
            "7b": {},
            "13b": {"decoder": VICUNA_13B.decoder, "sight": VICUNA_13B.sight},
            "34b": {"decoder": YI_34B.decoder, "sight": YI_34B.sight},
        },
        reference="pllava_pool-0",
        proof="recorded",
        chat=VICUNA,
    ),
)
