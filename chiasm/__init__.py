"""Chiasm: vision-language models over their whole life, one family as one value. Names load lazily; this pulls no torch."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chiasm.assistant import Answer, Assistant, Request, Usage
    from chiasm.compose import compose
    from chiasm.loading import load
    from chiasm.pixels.clips import Clip
    from chiasm.pixels.items import Depth, Motion, Sound, Thermal
    from chiasm.registry import families, family

__version__ = "0.1.0"

_HOMES = {
    "Answer": "chiasm.assistant",
    "Assistant": "chiasm.assistant",
    "Clip": "chiasm.pixels.clips",
    "Depth": "chiasm.pixels.items",
    "Motion": "chiasm.pixels.items",
    "Request": "chiasm.assistant",
    "Sound": "chiasm.pixels.items",
    "Thermal": "chiasm.pixels.items",
    "Usage": "chiasm.assistant",
    "compose": "chiasm.compose",
    "families": "chiasm.registry",
    "family": "chiasm.registry",
    "load": "chiasm.loading",
}

__all__ = [
    "Answer", "Assistant", "Clip", "Depth", "Motion", "Request", "Sound", "Thermal", "Usage", "__version__", "compose",
    "families", "family", "load",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Surface(ModuleType):
    """Two names of the surface are rooms too (`families`, `compose`): an imported room would take the name's place."""

    def __setattr__(self, name: str, value: object) -> None:
        if name not in _HOMES or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Surface
