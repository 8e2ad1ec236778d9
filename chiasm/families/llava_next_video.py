"""LLaVA-NeXT-Video: LLaVA-NeXT that also reads clips, whose frames are pooled before the projector (arXiv:2407.07895)."""

from dataclasses import replace

from chiasm.families.llava import keys as llava_keys
from chiasm.families.llava import see
from chiasm.layout import Config, Layout, Name, Reading
from chiasm.spec import Causal, Family, PoolClips, Splice


def read(c: Config) -> Reading:
    c.inert("video_seq_length")
    c.only("spatial_pool_mode", "average", "max")
    pool = PoolClips(c.get("spatial_pool_stride", 2), "max" if c.get("spatial_pool_mode", "average") == "max" else "average")
    video = c.first("video_token_index", "video_token_id", default=32000)
    c.data = {"image_token_index": 32001, **c.data}
    still = c.flat("llava_next").spec
    sight = replace(
        still.sight, connector=(pool, *still.sight.connector), fusion=Splice(still.sight.fusion.image, video)
    )
    vision, _, text, decoder = see(c)
    newline = Name("image_newline", "connect.steps.2.newline")
    return Reading(Causal(still.decoder, sight), (newline, *llava_keys(vision, text, decoder, projector=1)))


LAYOUTS = (Layout("llava_next_video", read),)
FAMILIES: tuple[Family, ...] = ()
