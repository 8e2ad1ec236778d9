"""Outputs of connectors by themselves, under the references' names."""

from __future__ import annotations

from torch import Tensor

from chiasm.model import Connect
from chiasm.place import Box, Grid
from chiasm.reference.given import Given
from chiasm.spec import PoolTime

FEATURES = "_features"


def connect(model: Connect, given: Given) -> dict[str, Tensor]:
    """Every input of features, [frames, cells, width], as visual tokens a picture or clip; clips are as long as the model
    reads them, or shorter where there are not so many frames."""
    got = {}
    for name, features in given.tensors.items():
        if name.endswith(FEATURES):
            kind = name.removesuffix(FEATURES)
            long = 1 if kind == "image" else next(step.frames for step in model.spec.steps if isinstance(step, PoolTime))
            side = round(features.shape[1] ** 0.5)
            grids = _grids(len(features), long, model.spec.cells or (side, side))
            got[kind] = model(features.flatten(0, 1), grids).tokens_VD.unflatten(0, (len(grids), -1))
    return got


def _grids(frames: int, long: int, cells: tuple[int, int]) -> list[Grid]:
    each, (high, wide) = min(frames, long), cells
    return [Grid(number, each, high, wide, Box(0, 0, wide, high)) for number in range(frames // each)]
