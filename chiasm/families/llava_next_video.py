"""LLaVA-NeXT-Video: LLaVA-NeXT that also reads clips, whose frames are pooled before the projector (arXiv:2407.07895)."""

from dataclasses import replace

from chiasm.layout import Config, Layout, Name, Reading, Rule
from chiasm.layouts.llava import speaks
from chiasm.readers import CLIP_MEAN, CLIP_STD, frame_crop, pixels, taken
from chiasm.spec import (
    Causal,
    Decoder,
    Even,
    Family,
    Frames,
    JoinTiles,
    Mlp,
    Pinpoints,
    Pixels,
    PoolClips,
    Resize,
    Sight,
    Splice,
)
from chiasm.towers.decoders import llama
from chiasm.towers.llava import clip_large
from chiasm.towers.llava_chats import TILES_AND_CLIPS, VICUNA_CLIPS, spoken


def read(c: Config) -> Reading:
    c.inert("video_seq_length")
    c.only("spatial_pool_mode", "average", "max")
    pool = PoolClips(c.get("spatial_pool_stride", 2), "max" if c.get("spatial_pool_mode", "average") == "max" else "average")
    video = c.first("video_token_index", "video_token_id", default=32000)
    c.data = {"image_token_index": 32001, **c.data}
    still = c.flat("llava_next")
    seen = still.spec.sight
    clips = Frames(taken(c.clips, EIGHT), frame_crop(c.clips, 224), pixels(c.clips, CLIP_MEAN, CLIP_STD))
    sight = replace(seen, connector=(pool, *seen.connector), fusion=Splice(seen.fusion.image, video), clips=clips)
    said = spoken(TILES_AND_CLIPS, speaks(c), min(seen.fusion.image, video))
    return Reading(Causal(still.spec.decoder, sight), tuple(map(later, still.keys)), spoken=said)


def later(rule: Rule) -> Rule:
    """A connector's key, its step moved by the pooling before it."""
    if not isinstance(rule, Name) or not rule.ours.startswith(STEPS):
        return rule
    number, _, rest = rule.ours.removeprefix(STEPS).partition(".")
    return Name(rule.theirs, f"{STEPS}{int(number) + 1}.{rest}")


STEPS = "connect.steps."

EIGHT = Even(8)
"""What the cards of the published folders show; more are seen as well, as far as the context goes."""

LAYOUTS = (Layout("llava_next_video", read),)

POINTS = ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008))


def next_video(text: Decoder, image: int, video: int) -> Causal:
    steps = (PoolClips(2, "average"), Mlp(text.width, text.width), JoinTiles())
    look, clips = Pixels(CLIP_MEAN, CLIP_STD), Frames(EIGHT, Resize(336, 336, "crop"), Pixels(CLIP_MEAN, CLIP_STD))
    return Causal(text, Sight(Pinpoints(336, POINTS), look, clip_large(336), steps, Splice(image, video), clips=clips))


YI_34B = next_video(llama(7168, 60, 56, 8, 20480, 64064, 5000000.0), 64001, 64000)

FAMILIES = (
    Family(
        name="llava-next-video",
        title="LLaVA-NeXT-Video",
        paper="2407.07895",
        year=2024,
        layout="llava_next_video",
        model=next_video(llama(4096, 32, 32, 32, 11008, 32064, 10000.0), 32001, 32000),
        sizes={"7b": {}, "34b": {"decoder": YI_34B.decoder, "sight": YI_34B.sight}},
        reference="LlavaNextVideoForConditionalGeneration",
        chat=VICUNA_CLIPS,
    ),
)
