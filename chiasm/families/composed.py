"""Chiasm's own folders: a model composed of any parts, its spec written out in config.json, parameters under our names."""

from chiasm.layout import Config, Layout, Name, Reading
from chiasm.spec_json import from_json


def read(c: Config) -> Reading:
    c.inert("base", "lora", "image_token")
    return Reading(from_json(c.get("spec")), (Name("**", "**"),))


LAYOUTS = (Layout("chiasm", read),)

FAMILIES = ()
