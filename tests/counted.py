"""Families' specs, and what their views and connectors make of a size, for tests of counts."""

from chiasm.geometry import Size, View, views
from chiasm.prompt.items import count
from chiasm.registry import families
from chiasm.spec import Causal as CausalSpec


def spec(family: str) -> CausalSpec:
    model = families()[family].model
    assert isinstance(model, CausalSpec)
    return model


def visual(model: CausalSpec, width: int, height: int) -> int:
    return count(model, Size(width, height)).visual


def made(model: CausalSpec, width: int, height: int) -> tuple[View, ...]:
    assert model.sight is not None
    return views(model.sight.views, model.sight.pixels, model.sight.encoder, Size(width, height), 0)
