"""LLaVA-NeXT (1.6): LLaVA with any-resolution tiles, their padding cut away and every row ended by a newline."""

from dataclasses import replace

from chiasm.errors import BadConfig
from chiasm.layout import Config, Layout, Name, Reading
from chiasm.readers import CLIP_MEAN, CLIP_STD, edges, pixels
from chiasm.spec import (
    Block,
    Causal,
    Decoder,
    Family,
    JoinTiles,
    Mlp,
    Norm,
    Pinpoints,
    Pixels,
    Rope,
    Sight,
    Splice,
)
from chiasm.towers.llava import clip_large

POINTS = ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008))


def read(c: Config) -> Reading:
    plain = c.flat("llava")
    decoder, eye = plain.spec.decoder, plain.spec.sight
    points = c.first("image_grid_pinpoints", default=None)
    points = c.pixels.first("image_grid_pinpoints", default=points if points is not None else POINTS)
    crop, size = c.pixels.get("crop_size", None), c.pixels.get("size", None)
    tile = c.nested[0].get("image_size", 336) if crop is None else edges(crop)[0]
    if size is not None and edges(size) != (tile, tile):
        raise BadConfig(f"{c.pixels.path}: size = {size} with tiles of {tile} pixels is not supported; equal ones are")
    c.pixels.inert("aspect_ratio_setting")
    views = Pinpoints(tile, tuple((high, wide) for high, wide in points))
    sight = replace(eye, views=views, pixels=pixels(c.pixels, CLIP_MEAN, CLIP_STD), connector=(*eye.connector, JoinTiles()))
    return Reading(Causal(decoder, sight), (Name("image_newline", "connect.steps.1.newline"), *plain.keys))


LAYOUTS = (Layout("llava_next", read),)

MISTRAL_CHAT = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' }}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] }}{% endfor %}"
    "{{ ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
    "{% for content in message['content'] %}{% generation %}{{ ' ' + content['text'] + '</s>' }}{% endgeneration %}{% endfor %}"
    "{% endif %}{% endfor %}"
)

MISTRAL_7B = Decoder(
    Block(
        4096, 32, 14336, 8, 128, Norm("rms", 1e-5), "silu", "gated", qkv_bias=False, out_bias=False, mlp_bias=False
    ),
    32, 32064, Rope(1000000.0), 32768,
)  # fmt: skip

FAMILIES = (
    Family(
        name="llava-next",
        title="LLaVA-NeXT",
        paper="2310.03744",
        year=2024,
        layout="llava_next",
        model=Causal(
            MISTRAL_7B,
            Sight(
                Pinpoints(336, POINTS),
                Pixels(CLIP_MEAN, CLIP_STD),
                clip_large(336),
                (Mlp(4096, 4096), JoinTiles()),
                Splice(32000),
            ),
        ),
        sizes={"mistral-7b": {}},
        reference="LlavaNextForConditionalGeneration",
        chat=MISTRAL_CHAT,
    ),
)
