"""Chiasm's own folders: a model composed of any parts, its spec written out in config.json, parameters under our names."""

from chiasm.layout import Adapters, Config, Layout, Name, Reading
from chiasm.spec_json import from_json


def read(c: Config) -> Reading:
    c.inert("base", "image_token")
    lora = c.get("lora", None)
    return Reading(from_json(c.get("spec")), (Name("**", "**"),), adapters=None if lora is None else Adapters(**lora))


LAYOUTS = (Layout("chiasm", read),)
