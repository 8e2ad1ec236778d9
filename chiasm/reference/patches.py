"""Patches of given tensors: cut from pixels, put in raster order, and the grids that they fill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from chiasm.errors import BadCheckpoint
from chiasm.geometry import Size, views
from chiasm.pixels.patches import patchify_frames
from chiasm.place import NOWHERE, Box, Grid, raster, route
from chiasm.prompt.items import Blank, Clip, Item
from chiasm.spec import Looks, Merge, Step, Views


@dataclass(frozen=True)
class Seen:
    """Some items of a folder, the views that made them, and the patches of all of them, [P, K]."""

    views: Views
    items: list[Item]
    patches_PK: Tensor


def cut(looks: Looks, pixels: Tensor) -> Tensor:
    """Patches of views of one size, [P, K]: still pictures [P, C, H, W], repeated over the encoder's frames, or clips
    [P, C, T, H, W]."""
    encoder = looks.encoder
    whole = [side // encoder.patch * encoder.patch for side in pixels.shape[-2:]]
    pixels = pixels[..., : whole[0], : whole[1]]
    still = pixels.ndim == 4
    clips = pixels[:, None].expand(-1, encoder.frames, -1, -1, -1) if still else pixels.transpose(1, 2)
    return torch.cat([patchify_frames(clip, encoder.patch, encoder.frames) for clip in clips])


def blank(used: Views, looks: Looks, size: Size) -> Blank:
    """A place for a picture of that size that has none: its first view, and nothing to see in it."""
    grid = views(used, looks.pixels, looks.encoder, size, 0)[0].grid
    return Blank(replace(grid, box=NOWHERE))


def merge(connector: Sequence[Step]) -> Merge:
    """The step that joins neighbours. Raises `BadCheckpoint` for a connector without one."""
    for step in connector:
        if isinstance(step, Merge):
            return step
    raise BadCheckpoint("image_grid_thw and video_grid_thw belong to models that merge neighbours; this one does not")


def rastered(connector: Sequence[Step], merged_PK: Tensor, grids: Sequence[Sequence[int]]) -> Tensor:
    """Patches in raster order from patches in the order in which they are merged."""
    laid = raster([Grid(0, t, h, w, Box(0, 0, w, h)) for t, h, w in grids])
    if len(laid) != len(merged_PK):
        raise BadCheckpoint(f"{len(merged_PK)} patches are given for grids of {len(laid)}: they belong to other pictures")
    order = torch.from_numpy(route(merge(connector), laid, ()).index_VM.flatten())
    patches_PK = torch.empty_like(merged_PK)
    patches_PK[order] = merged_PK
    return patches_PK


def grids_of(used: Views, looks: Looks, item: Item, number: int) -> list[Grid]:
    """The grids of patches of the item of that number."""
    match item:
        case Size():
            return [view.grid for view in views(used, looks.pixels, looks.encoder, item, number)]
        case Clip(grid) | Blank(grid):
            return [replace(grid, item=number)]
