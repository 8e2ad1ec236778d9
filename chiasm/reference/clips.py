"""Clips of a reference folder: raw frames, or the tensors of a processor, of which every form that the field writes is read."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from chiasm.errors import BadCheckpoint
from chiasm.pixels.views import look_clip, packed
from chiasm.place import Box, Grid
from chiasm.prompt.items import Clip, Item
from chiasm.reference.given import Given
from chiasm.reference.patches import Seen, cut, rastered
from chiasm.spec import Looks, Sight, Step


def _filmed(given: Given, looks: Looks) -> Seen:
    if not isinstance(looks, Sight) or looks.clips is None:
        raise BadCheckpoint(f"{given.path} holds raw clips, and config.json describes a model that sees none")
    seen = [look_clip(looks.clips, looks.encoder, list(frames), times, 0) for frames, times in given.films]
    clips: list[Item] = [Clip(view.grid) for view, _ in seen]
    return Seen(looks.views, clips, torch.from_numpy(packed(seen)))


def clips_of(given: Given, looks: Looks, connector: Sequence[Step]) -> Seen | None:
    """Videos are given as frames or as patches: nothing says how their frames were chosen. Where they are given in pixels, all
    are shown."""
    if given.films:
        return _filmed(given, looks)
    if "frame_features" in given:
        return _featured(looks, given["frame_features"])
    if "pixel_values_videos" not in given:
        return None
    if "video_grid_thw" not in given:
        return _framed(looks, given["pixel_values_videos"])
    grids: list[list[int]] = given["video_grid_thw"].tolist()
    steps = given["second_per_grid_ts"].tolist() if "second_per_grid_ts" in given else [1.0] * len(grids)
    clips: list[Item] = [
        Clip(Grid(0, t, h, w, Box(0, 0, w, h), tuple(step * frame for frame in range(t))))
        for (t, h, w), step in zip(grids, steps, strict=True)
    ]
    return Seen(looks.views, clips, rastered(connector, given["pixel_values_videos"], grids))


def _framed(looks: Looks, pixels_ITCHW: Tensor) -> Seen:
    """Clips of equal frames, a second between them."""
    _, steps, _, height, width = pixels_ITCHW.shape
    h, w = height // looks.encoder.patch, width // looks.encoder.patch
    clip = Clip(Grid(0, steps, h, w, Box(0, 0, width, height), tuple(float(step) for step in range(steps))))
    return Seen(looks.views, [clip] * len(pixels_ITCHW), cut(looks, pixels_ITCHW.flatten(0, 1)))


def _featured(looks: Looks, features_TPE: Tensor) -> Seen:
    """One clip of square frames, as the features of an encoder elsewhere."""
    steps, cells, _ = features_TPE.shape
    side = math.isqrt(cells)
    clip = Clip(Grid(0, steps, side, side, Box(0, 0, side, side), tuple(float(step) for step in range(steps))))
    return Seen(looks.views, [clip], features_TPE.flatten(0, 1))
