"""Pictures of a reference folder: raw, or the tensors of a processor, of which every form that the field writes is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf

import torch
from torch import Tensor
from torch.nn.functional import pad

from chiasm.errors import BadCheckpoint
from chiasm.geometry import Size, tilings
from chiasm.pixels.patches import patchify
from chiasm.pixels.views import look, packed
from chiasm.prompt.items import Item
from chiasm.reference.given import Given
from chiasm.reference.patches import Seen, blank, cut, grids_of, merge, rastered
from chiasm.spec import Both, Bounded, Candidates, Canvas, CoverTiles, Flat, Longest, Looks, Native, Resize, Step


def pictures_of(given: Given, looks: Looks, connector: Sequence[Step]) -> Seen | None:
    """All pictures of a folder; none where it has none. Raises `BadCheckpoint` for tensors of a form that is not read."""
    if given.raw:
        shown = list(zip(given.raw, given.beside, strict=True))
        seen = [torch.from_numpy(packed(look(looks, pixels, n, beside))) for n, (pixels, beside) in enumerate(shown)]
        return Seen(looks.views, [Size(p.shape[1], p.shape[0], beside) for p, beside in shown], torch.cat(seen))
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
    if "target_sizes" in given:
        return _strip(given, looks)
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


def _unresized(side: int) -> Native:
    """Views that leave every picture of whole cells of `side` pixels as it is."""
    return Native(side, least=1, most=2**62, ratio=inf)


def _whole(given: Given, looks: Looks, pixels: Tensor) -> Seen:
    """Views of one size, each a picture of its own."""
    if pixels.ndim != 4:
        said = f"pixel_values {tuple(pixels.shape)} with neither image_sizes nor image_grid_thw"
        raise BadCheckpoint(f"{given.path}: {said} is no form of pictures that is read")
    height, width = pixels.shape[-2:]
    return Seen(Resize(height, width, "squash"), [Size(width, height)] * len(pixels), cut(looks, pixels))


def _strips(given: Given, looks: Looks) -> Seen | None:
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
    return Seen(_unresized(patch), [strip] * len(rows), patches_PK)


def _candidates(given: Given, looks: Looks, views: Candidates) -> Seen:
    """Views of each row's pictures, whose (columns, rows) of tiles are given; what follows them is filling."""
    sizes: list[Item] = []
    parts: list[Tensor] = []
    for grids, pixels in zip(given["images_spatial_crop"].tolist(), given["images"], strict=True):
        shown = [(columns, rows) for columns, rows in grids if columns and rows]
        sizes += [Size(columns * views.tile, rows * views.tile) for columns, rows in shown]
        parts.append(pixels[: sum(1 + columns * rows for columns, rows in shown)])
    return Seen(views, sizes, cut(looks, torch.cat(parts)))


def _low_high(given: Given, looks: Looks) -> Seen:
    """Both views of each picture, patches of the smaller encoder ending in zeros."""
    low, high = given["pixel_values"], given["high_res_pixel_values"]
    assert isinstance(looks.encoder, Both)
    patches = looks.encoder.low.patch, looks.encoder.high.tower.patch
    parts = [patchify(view, patch) for pair in zip(low, high, strict=True) for view, patch in zip(pair, patches, strict=True)]
    widest = max(part.shape[1] for part in parts)
    size = Size(high.shape[-1], high.shape[-2])
    packed_PK = torch.cat([pad(part, (0, widest - part.shape[1])) for part in parts])
    return Seen(looks.views, [size] * len(high), packed_PK)


def _canvases(given: Given, looks: Looks, views: Canvas) -> Seen:
    """Places for pictures, each of as many tiles as any, with the number of its tiling: 0 where it has none."""
    shapes = [(1, 1), *tilings(views.most)]
    items: list[Item] = []
    tiles = []
    for pixels, number in zip(given["pixel_values"].flatten(0, 1), given["aspect_ratio_ids"].flatten().tolist(), strict=True):
        rows, columns = shapes[number]
        size = Size(columns * views.tile, rows * views.tile)
        items.append(size if number else blank(views, looks, size))
        tiles.append(pixels[: rows * columns])
    return Seen(views, items, cut(looks, torch.cat(tiles)))


def _masked(given: Given, looks: Looks) -> Seen:
    """Pictures of their own sizes at the corners of equal canvases, by the mask of their pixels."""
    masks = given["pixel_attention_mask"].flatten(0, 1).bool()
    sizes = [(int(mask.any(1).sum()), int(mask.any(0).sum())) for mask in masks]
    shown = zip(given["pixel_values"].flatten(0, 1), sizes, strict=True)
    return _cornered(looks, [pixels[:, :height, :width] for pixels, (height, width) in shown if height and width])


def _covered(given: Given, looks: Looks) -> Seen:
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
    return Seen(exact, sizes, cut(looks, torch.cat(parts)))


def _flat(given: Given, looks: Looks, connector: Sequence[Step]) -> Seen:
    """Patches of native resolution, in the order in which they are merged."""
    grids, patch = given["image_grid_thw"].tolist(), looks.encoder.patch
    exact = _unresized(patch * merge(connector).side)
    sizes: list[Item] = [Size(w * patch, h * patch) for _, h, w in grids]
    return Seen(exact, sizes, rastered(connector, given["pixel_values"], grids))


def _shaped(given: Given, looks: Looks) -> Seen:
    """Patches of pictures of many shapes, colours innermost, padded to as many for each."""
    shapes, patch = given["spatial_shapes"].tolist(), looks.encoder.patch
    parts = [patches[: h * w] for patches, (h, w) in zip(given["pixel_values"], shapes, strict=True)]
    patches_PK = torch.cat(parts).unflatten(1, (-1, 3)).transpose(1, 2).flatten(1)
    sizes: list[Item] = [Size(w * patch, h * patch) for h, w in shapes]
    return Seen(_unresized(patch), sizes, patches_PK)


def _strip(given: Given, looks: Looks) -> Seen:
    """Patches of pictures of many shapes side by side, as one picture that is a patch high."""
    shapes, patch = given["target_sizes"].tolist(), looks.encoder.patch
    patches_PK = given["pixel_values"][0].unflatten(2, (-1, patch)).permute(2, 0, 1, 3).flatten(1)
    if len(patches_PK) != sum(h * w for h, w in shapes):
        said = f"{len(patches_PK)} patches for target_sizes of {sum(h * w for h, w in shapes)}"
        raise BadCheckpoint(f"{given.path}: pixel_values holds {said}")
    sizes: list[Item] = [Size(w * patch, h * patch) for h, w in shapes]
    return Seen(_unresized(patch), sizes, patches_PK)


def _tiled(given: Given, looks: Looks) -> Seen:
    """The views of each picture and its (height, width), padded to the most views of any."""
    sizes: list[Item] = [Size(width, height) for height, width in given["image_sizes"].tolist()]
    if isinstance(looks.views, Longest | Native):
        shown = zip(given["pixel_values"], given["image_sizes"].tolist(), strict=True)
        return _cornered(looks, [pixels[:, :height, :width] for pixels, (height, width) in shown])
    pixels, counts = given["pixel_values"], [len(grids_of(looks.views, looks, size, 0)) for size in sizes]
    if pixels.ndim == 5:
        pixels = torch.cat([picture[:count] for picture, count in zip(pixels, counts, strict=True)])
    if len(pixels) != sum(counts):
        said = f"{len(pixels)} views of pictures that make {sum(counts)}"
        raise BadCheckpoint(f"{given.path}: pixel_values holds {said} by config.json and image_sizes")
    return Seen(looks.views, sizes, cut(looks, pixels))


def _tiles(given: Given, pixels: Tensor) -> Tensor:
    """Views of each row, padded to the most views of any by ones of zeros. Every view is a picture of its own here:
    the encoder never looks from one to another."""
    if "pixel_attention_mask" in given:
        mask = given["pixel_attention_mask"].flatten(0, 1).flatten(1).bool()
        if bool((mask.any(1) != mask.all(1)).any()):
            raise BadCheckpoint(f"{given.path}: pixel_attention_mask hides parts of views, which is not supported")
    flat = pixels.flatten(0, 1)
    return flat[(flat != 0).flatten(1).any(1)]


def _cornered(looks: Looks, pictures: Sequence[Tensor]) -> Seen:
    """Pictures of sizes of their own, whole patches of them."""
    patch = looks.encoder.patch
    sizes: list[Item] = [Size(p.shape[2] // patch * patch, p.shape[1] // patch * patch) for p in pictures]
    views = _unresized(patch)
    return Seen(views, sizes, torch.cat([cut(looks, pixels[None]) for pixels in pictures]))
