"""What an encoder is shown of a reference folder: its raw pictures or, where it has none, the tensors of a processor, of which
every form that the field writes is read here.

A proof from tensors says nothing about preprocessing, so raw pictures are used wherever they are and the tensors beside
them are never read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import inf

import torch
from torch import Tensor
from torch.nn.functional import pad

from chiasm.errors import BadCheckpoint
from chiasm.geometry import Size, tilings, views
from chiasm.pixels.patches import patchify, patchify_frames
from chiasm.pixels.views import look, look_clip, packed
from chiasm.place import NOWHERE, Box, Grid, raster, route
from chiasm.prompt.items import Blank, Clip, Item, edges
from chiasm.reference.given import Given
from chiasm.spec import (
    Both,
    Bounded,
    Candidates,
    Canvas,
    CoverTiles,
    Flat,
    Longest,
    Looks,
    Merge,
    Native,
    Resize,
    Sight,
    Step,
    Views,
)


@dataclass(frozen=True)
class Shown:
    """What the encoder is shown: items by size, the grids and patches of all of them, and the views that made them, which
    are the given tensors' own where there are no raw pictures."""

    views: Views
    items: tuple[Item, ...]
    grids: tuple[Grid, ...]
    patches_PK: Tensor

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Upright (width, height) of each item; a clip's in cells."""
        return tuple(map(edges, self.items))


@dataclass(frozen=True)
class _Pictures:
    views: Views
    items: list[Item]
    patches_PK: Tensor


def shown_of(given: Given, looks: Looks, connector: Sequence[Step] = ()) -> Shown | None:
    """Every picture, then every clip; none where the folder has neither. `connector` says how patches that are given
    flat were ordered."""
    found = (_pictures(given, looks, connector), _clips(given, looks, connector))
    parts = [part for part in found if part is not None]
    if not parts:
        return None
    items = tuple(chain.from_iterable(part.items for part in parts))
    used = parts[0].views
    grids = (grid for number, item in enumerate(items) for grid in _grids(used, looks, item, number))
    return Shown(used, items, tuple(grids), torch.cat([part.patches_PK for part in parts]))


def _pictures(given: Given, looks: Looks, connector: Sequence[Step]) -> _Pictures | None:
    if given.raw:
        shown = list(zip(given.raw, given.beside, strict=True))
        seen = [torch.from_numpy(packed(look(looks, pixels, n, beside))) for n, (pixels, beside) in enumerate(shown)]
        return _Pictures(looks.views, [Size(p.shape[1], p.shape[0], beside) for p, beside in shown], torch.cat(seen))
    if "pixel_values_images" in given:
        return _whole(given, looks, given["pixel_values_images"])
    if isinstance(looks.encoder, Flat):
        return _strips(given, looks)
    if "image_pixel_values" in given:
        return _covered(given, looks)
    if "images_spatial_crop" in given and isinstance(looks.views, Candidates):
        return _candidates(given, looks, looks.views)
    if "pixel_values" not in given:
        return None
    if "high_res_pixel_values" in given:
        return _low_high(given, looks)
    if "image_grid_thw" in given:
        return _flat(given, looks, connector)
    if "image_sizes" in given:
        return _tiled(given, looks)
    if "spatial_shapes" in given:
        return _shaped(given, looks)
    pixels = given["pixel_values"]
    if isinstance(looks.views, Bounded) and "pixel_attention_mask" in given:
        return _masked(given, looks)
    if isinstance(looks.views, Canvas):
        return _canvases(given, looks, looks.views)
    if pixels.ndim == 5:
        pixels = _tiles(given, pixels)
    if pixels.ndim == 6:
        # As many pictures for each row, of one frame each.
        pixels = pixels.flatten(0, 2)
    return _whole(given, looks, pixels)


def _whole(given: Given, looks: Looks, pixels: Tensor) -> _Pictures:
    """Views of one size, each a picture of its own."""
    if pixels.ndim != 4:
        said = f"pixel_values {tuple(pixels.shape)} with neither image_sizes nor image_grid_thw"
        raise BadCheckpoint(f"{given.path}: {said} is no form of pictures that is read")
    height, width = pixels.shape[-2:]
    return _Pictures(Resize(height, width, "squash"), [Size(width, height)] * len(pixels), cut(looks, pixels))


def _strips(given: Given, looks: Looks) -> _Pictures | None:
    """Flat patches of each row, or of the one that has any, colours innermost; how long their lines are is nowhere told. Or
    whole pictures."""
    name = "image_patches" if "image_patches" in given else "pixel_values"
    if name not in given:
        return None
    patches = given[name]
    if patches.ndim == 4:
        return _whole(given, looks, patches)
    rows = patches if patches.ndim == 3 else patches[None]
    patches_PK = rows.flatten(0, 1).unflatten(1, (-1, 3)).transpose(1, 2).flatten(1)
    patch = looks.encoder.patch
    strip: Item = Size(rows.shape[1] * patch, patch)
    return _Pictures(Native(patch, least=1, most=2**62, ratio=inf), [strip] * len(rows), patches_PK)


def _candidates(given: Given, looks: Looks, views: Candidates) -> _Pictures:
    """Views of each row's pictures, whose (columns, rows) of tiles are given; what follows them is filling."""
    sizes: list[Item] = []
    parts: list[Tensor] = []
    for grids, pixels in zip(given["images_spatial_crop"].tolist(), given["images"], strict=True):
        shown = [(columns, rows) for columns, rows in grids if columns and rows]
        sizes += [Size(columns * views.tile, rows * views.tile) for columns, rows in shown]
        parts.append(pixels[: sum(1 + columns * rows for columns, rows in shown)])
    return _Pictures(views, sizes, cut(looks, torch.cat(parts)))


def _low_high(given: Given, looks: Looks) -> _Pictures:
    """Both views of each picture, patches of the smaller encoder ending in zeros."""
    low, high = given["pixel_values"], given["high_res_pixel_values"]
    assert isinstance(looks.encoder, Both)
    patches = looks.encoder.low.patch, looks.encoder.high.tower.patch
    parts = [patchify(view, patch) for pair in zip(low, high, strict=True) for view, patch in zip(pair, patches, strict=True)]
    widest = max(part.shape[1] for part in parts)
    size = Size(high.shape[-1], high.shape[-2])
    packed_PK = torch.cat([pad(part, (0, widest - part.shape[1])) for part in parts])
    return _Pictures(looks.views, [size] * len(high), packed_PK)


def _canvases(given: Given, looks: Looks, views: Canvas) -> _Pictures:
    """Places for pictures, each of as many tiles as any, with the number of its tiling: 0 where it has none."""
    shapes = [(1, 1), *tilings(views.most)]
    items: list[Item] = []
    tiles = []
    for pixels, number in zip(given["pixel_values"].flatten(0, 1), given["aspect_ratio_ids"].flatten().tolist(), strict=True):
        rows, columns = shapes[number]
        size = Size(columns * views.tile, rows * views.tile)
        items.append(size if number else blank(views, looks, size))
        tiles.append(pixels[: rows * columns])
    return _Pictures(views, items, cut(looks, torch.cat(tiles)))


def _masked(given: Given, looks: Looks) -> _Pictures:
    """Pictures of their own sizes at the corners of equal canvases, by the mask of their pixels."""
    masks = given["pixel_attention_mask"].flatten(0, 1).bool()
    sizes = [(int(mask.any(1).sum()), int(mask.any(0).sum())) for mask in masks]
    shown = zip(given["pixel_values"].flatten(0, 1), sizes, strict=True)
    return _cornered(looks, [pixels[:, :height, :width] for pixels, (height, width) in shown if height and width])


def _covered(given: Given, looks: Looks) -> _Pictures:
    """Canvases of tiles, each led by the whole of it, and masks of the patches that are no padding."""
    assert isinstance(looks.views, CoverTiles)
    tile, patch = looks.views.tile, looks.encoder.patch
    exact = replace(looks.views, most=2**31)
    sizes: list[Item] = []
    parts = []
    pictures = zip(*(given[f"image_{name}"] for name in ("pixel_values", "sizes", "attention_mask")), strict=True)
    for shown, (height, width), masks in pictures:
        rows, columns = int(height) // tile, int(width) // tile
        tiles = masks[1 : 1 + rows * columns].unflatten(0, (rows, columns)).bool()
        sizes.append(Size(int(tiles[0, :, 0].sum()) * patch, int(tiles[:, 0, :, 0].sum()) * patch))
        parts.append(shown[: 1 + rows * columns])
    return _Pictures(exact, sizes, cut(looks, torch.cat(parts)))


def _flat(given: Given, looks: Looks, connector: Sequence[Step]) -> _Pictures:
    """Patches of native resolution, in the order in which they are merged."""
    grids, patch = given["image_grid_thw"].tolist(), looks.encoder.patch
    exact = Native(patch * merge(connector).side, least=1, most=2**62, ratio=inf)
    sizes: list[Item] = [Size(w * patch, h * patch) for _, h, w in grids]
    return _Pictures(exact, sizes, rastered(connector, given["pixel_values"], grids))


def _shaped(given: Given, looks: Looks) -> _Pictures:
    """Patches of pictures of many shapes, colours innermost, padded to as many for each."""
    shapes, patch = given["spatial_shapes"].tolist(), looks.encoder.patch
    parts = [patches[: h * w] for patches, (h, w) in zip(given["pixel_values"], shapes, strict=True)]
    patches_PK = torch.cat(parts).unflatten(1, (-1, 3)).transpose(1, 2).flatten(1)
    sizes: list[Item] = [Size(w * patch, h * patch) for h, w in shapes]
    return _Pictures(Native(patch, least=1, most=2**62, ratio=inf), sizes, patches_PK)


def _tiled(given: Given, looks: Looks) -> _Pictures:
    """The views of each picture and its (height, width), padded to the most views of any."""
    sizes: list[Item] = [Size(width, height) for height, width in given["image_sizes"].tolist()]
    if isinstance(looks.views, Longest | Native):
        shown = zip(given["pixel_values"], given["image_sizes"].tolist(), strict=True)
        return _cornered(looks, [pixels[:, :height, :width] for pixels, (height, width) in shown])
    pixels, counts = given["pixel_values"], [len(_grids(looks.views, looks, size, 0)) for size in sizes]
    if pixels.ndim == 5:
        pixels = torch.cat([picture[:count] for picture, count in zip(pixels, counts, strict=True)])
    if len(pixels) != sum(counts):
        said = f"{len(pixels)} views of pictures that make {sum(counts)}"
        raise BadCheckpoint(f"{given.path}: pixel_values holds {said} by config.json and image_sizes")
    return _Pictures(looks.views, sizes, cut(looks, pixels))


def _tiles(given: Given, pixels: Tensor) -> Tensor:
    """Views of each row, padded to the most views of any by ones of zeros. Every view is a picture of its own here:
    the encoder never looks from one to another."""
    if "pixel_attention_mask" in given:
        mask = given["pixel_attention_mask"].flatten(0, 1).flatten(1).bool()
        if bool((mask.any(1) != mask.all(1)).any()):
            raise BadCheckpoint(f"{given.path}: pixel_attention_mask hides parts of views, which is not supported")
    flat = pixels.flatten(0, 1)
    return flat[(flat != 0).flatten(1).any(1)]


def _filmed(given: Given, looks: Looks) -> _Pictures:
    if not isinstance(looks, Sight) or looks.clips is None:
        raise BadCheckpoint(f"{given.path} holds raw clips, and config.json describes a model that sees none")
    seen = [look_clip(looks.clips, looks.encoder, list(frames), times, 0) for frames, times in given.films]
    clips: list[Item] = [Clip(view.grid) for view, _ in seen]
    return _Pictures(looks.views, clips, torch.from_numpy(packed(seen)))


def _clips(given: Given, looks: Looks, connector: Sequence[Step]) -> _Pictures | None:
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
    return _Pictures(looks.views, clips, rastered(connector, given["pixel_values_videos"], grids))


def _cornered(looks: Looks, pictures: Sequence[Tensor]) -> _Pictures:
    """Pictures of sizes of their own, whole patches of them."""
    patch = looks.encoder.patch
    sizes: list[Item] = [Size(p.shape[2] // patch * patch, p.shape[1] // patch * patch) for p in pictures]
    views = Native(patch, least=1, most=2**62, ratio=inf)
    return _Pictures(views, sizes, torch.cat([cut(looks, pixels[None]) for pixels in pictures]))


def _framed(looks: Looks, pixels_ITCHW: Tensor) -> _Pictures:
    """Clips of equal frames, a second between them."""
    _, steps, _, height, width = pixels_ITCHW.shape
    h, w = height // looks.encoder.patch, width // looks.encoder.patch
    clip = Clip(Grid(0, steps, h, w, Box(0, 0, width, height), tuple(float(step) for step in range(steps))))
    return _Pictures(looks.views, [clip] * len(pixels_ITCHW), cut(looks, pixels_ITCHW.flatten(0, 1)))


def _featured(looks: Looks, features_TPE: Tensor) -> _Pictures:
    """One clip of square frames, as the features of an encoder elsewhere."""
    steps, cells, _ = features_TPE.shape
    side = math.isqrt(cells)
    clip = Clip(Grid(0, steps, side, side, Box(0, 0, side, side), tuple(float(step) for step in range(steps))))
    return _Pictures(looks.views, [clip], features_TPE.flatten(0, 1))


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


def _grids(used: Views, looks: Looks, item: Item, number: int) -> list[Grid]:
    match item:
        case Size():
            return [view.grid for view in views(used, looks.pixels, looks.encoder, item, number)]
        case Clip(grid) | Blank(grid):
            return [replace(grid, item=number)]
