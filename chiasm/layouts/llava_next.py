"""Folders of LLaVA-NeXT, or with it as a part: fields of the config, names of the tensors."""

from dataclasses import replace

from chiasm.errors import BadConfig
from chiasm.layout import Config, Layout, Name, Reading
from chiasm.layouts.llava import speaks
from chiasm.readers import CLIP_MEAN, CLIP_STD, edges, pixels
from chiasm.spec import Causal, JoinTiles, Pinpoints
from chiasm.towers.llava_chats import TILES, spoken

POINTS = ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008))


def read(c: Config) -> Reading:
    plain = c.flat("llava")
    decoder, eye = plain.spec.decoder, plain.spec.sight
    points = c.first("image_grid_pinpoints", default=None)
    points = c.pixels.first("image_grid_pinpoints", default=points if points is not None else POINTS)
    crop, size = c.pixels.get("crop_size", None), c.pixels.get("size", None)
    tower = eye.encoder
    tile = c.pixels.default(224, tower.position.side * tower.patch) if crop is None else edges(crop)[0]
    if size is not None and edges(size) != (tile, tile):
        raise BadConfig(f"{c.pixels.path}: size = {size} with tiles of {tile} pixels is not supported; equal ones are")
    c.pixels.inert("aspect_ratio_setting")
    views = Pinpoints(tile, tuple((high, wide) for high, wide in points))
    sight = replace(eye, views=views, pixels=pixels(c.pixels, CLIP_MEAN, CLIP_STD), connector=(*eye.connector, JoinTiles()))
    keys = (Name("image_newline", "connect.steps.1.newline"), *plain.keys)
    return Reading(Causal(decoder, sight), keys, spoken=spoken(TILES, speaks(c), eye.fusion.image))


LAYOUTS = (Layout("llava_next", read),)
