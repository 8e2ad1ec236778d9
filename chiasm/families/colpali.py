"""ColPali (arXiv:2407.01449): PaliGemma whose every state is a vector; pages are found by the best match of each word."""

from dataclasses import replace
from typing import Any

from chiasm.layout import Config, Layout, Name, Reading, Respelt, under
from chiasm.spec import Causal, Family, MultiVector
from chiasm.towers.paligemma import FIRST, sight


def read(c: Config) -> Reading:
    whole = c.part("vlm_config", "paligemma")
    keys = (
        Respelt("custom_text_proj.", "embedding_proj_layer."),
        Respelt("vlm.model.", "vlm."),
        *under("vlm.", "", whole.keys),
        Name("embedding_proj_layer.*", "vectors.linear.*"),
    )
    c.pixels.inert("visual_prompt_prefix", "query_prefix")
    return Reading(replace(whole.spec, head=MultiVector(c.get("embedding_dim", 128)), boxes=None), keys)


LAYOUTS = (Layout("colpali", read),)

CHAT = (
    "{% for message in messages %}"
    "{% set pictures = message['content'] | selectattr('type', 'equalto', 'image') | list %}"
    "{% for picture in pictures %}{{ '<image>' }}{% endfor %}{{ bos_token }}"
    "{% if pictures %}{{ 'Describe the image.' }}{% else %}{{ 'Question: ' }}"
    "{% for content in message['content'] %}{{ content['text'] }}{% endfor %}{{ pad_token * 10 }}{% endif %}{{ '\n' }}"
    "{% endfor %}"
)
"""A picture is a page to be found, a text a question; its pads are room to think."""

SIZES: dict[str, dict[str, Any]] = {"v1.2": {}, "v1.3": {}}

FAMILIES = (
    Family(
        name="colpali",
        title="ColPali",
        paper="2407.01449",
        year=2024,
        layout="colpali",
        model=Causal(FIRST, sight(2048, 448), "full", MultiVector(128)),
        sizes=SIZES,
        reference="ColPaliForRetrieval",
        chat=CHAT,
    ),
)
