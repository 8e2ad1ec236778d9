"""What a field of a config may hold: of the kind that the published class gives it by default, and no count below its least.

A value of another kind would fail much later, as an error of Python's that names no field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chiasm.errors import BadConfig

COUNT = re.compile(r"(^|_)(num|n)_|^additional_|_(layers|depth|dim|width|channels)$|^(depth|width)$")
"""Fields that say how many: none is below 0."""
LAYERS, DEEPEST = re.compile(r"_layers$|^(depth|n_layer)$"), 1000
"""Published models have up to 126 layers; a million would be made for minutes before a weight is missed."""
SIDE = re.compile(
    r"(^|_)(hidden|intermediate|patch|image|img|input|crop|vocab)_size$|_heads$|^(n_head|size|embed_dim|d_model)$"
)
"""Fields that numbers are divided by, or tables made of: none is below 1. Some are objects of edges, or lists."""
COLOURS = re.compile(r"(^|_)(mean|std)$")
"""A number for each of red, green and blue."""
GRIDS = re.compile(r"pinpoints$|^candidate_resolutions$")
"""Pairs of edges."""


def checked(path: str, name: str, value: Any, default: Any = None) -> Any:
    """The value of a field, of which `default` is what stands in its place; null says nothing. Raises `BadConfig` that names
    the field, its value and what was expected."""
    wanted = None if value is None else _named(name, value) or _alike(value, default)
    if wanted is not None:
        raise BadConfig(f"{path}: {name} = {value!r} is not {wanted}, which was expected")
    return value


def _named(name: str, value: Any) -> str | None:
    """What a field of this name has to be, where the value is not."""
    if COLOURS.search(name):
        numbers = isinstance(value, list | tuple) and len(value) == 3 and all(map(_number, value))
        return None if numbers else "three numbers"
    if GRIDS.search(name):
        pairs = isinstance(value, list) and value and all(isinstance(pair, list) and len(pair) == 2 for pair in value)
        return None if pairs and all(_whole(edge, 1) for pair in value for edge in pair) else "a list of pairs of edges"
    if SIDE.search(name) and not COUNT.search(name):
        match value:
            case Mapping():
                told = [edge for edge in value.values() if edge is not None]
                return None if told and all(_whole(edge, 1) for edge in told) else "an edge or an object of edges"
            case list() | tuple():
                return None if value and all(_whole(edge, 1) for edge in value) else "made of whole numbers of at least 1"
        return None if _whole(value, 1) else "a whole number of at least 1"
    if LAYERS.search(name) and _whole(value, DEEPEST + 1):
        return f"{DEEPEST:,} or fewer"
    if COUNT.search(name) and not isinstance(value, list | Mapping):
        return None if _whole(value, 0) else "a whole number of at least 0"
    return None


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: Any, least: int) -> bool:
    return _number(value) and value % 1 == 0 and bool(value >= least)


def _alike(value: Any, default: Any) -> str | None:
    """What the default's kind is called, where the value is of another. An object or a list may stand in place of a number:
    edges one by one, taps, a size for each stage."""
    match default:
        case bool() if not isinstance(value, bool | int):
            return "true or false"
        case bool():
            return None
        case int() | float() if isinstance(value, str | bool):
            return "a number"
        case str() if not isinstance(value, str):
            return "a word"
        case Mapping() if isinstance(value, str | bool | float):
            return "an object"
        case list() | tuple() if isinstance(value, str | bool | Mapping):
            return "a list"
    return None
