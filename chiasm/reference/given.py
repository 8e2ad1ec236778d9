"""What a reference folder gives: ids, and pictures as raw pixels or, where it has none, as the tensors of a processor.

A proof from tensors says nothing about preprocessing, so raw pictures are used wherever they are and the tensors beside
them are never read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from math import inf
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from chiasm.errors import BadCheckpoint
from chiasm.geometry import Size, tilings, views
from chiasm.pixels.patches import patchify, patchify_frames
from chiasm.pixels.views import look, packed
from chiasm.place import NOWHERE, Box, Grid, raster, route
from chiasm.prompt.plan import Blank, Clip, Item, edges
from chiasm.spec import Both, Bounded, Candidates, Canvas, CoverTiles, Flat, Longest, Looks, Merge, Native, Resize, Step, Views
from chiasm.weights.files import TensorFiles

Start = Literal["raw", "tensors"]
"""Where a proof begins."""

RAW = "raw_image_"


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


@dataclass(frozen=True)
class Given:
    """The tensors of a folder's inputs.safetensors."""

    path: Path
    tensors: Mapping[str, Tensor]

    @classmethod
    def read(cls, folder: Path) -> Given:
        """Raises `BadCheckpoint` where the folder has none, or a broken one."""
        path = folder / "inputs.safetensors"
        if not path.is_file():
            raise BadCheckpoint(f"{folder} has no inputs.safetensors: it is a model folder, not a reference to prove")
        return cls(path, tensors(path))

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.tensors:
            raise BadCheckpoint(f"{self.path} has no tensor {name!r}, which this proof begins with")
        return self.tensors[name]

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    @cached_property
    def raw(self) -> list[NDArray[np.uint8]]:
        """Upright pictures in order, [H, W, 3]."""
        names = self._raw_names
        for name in names:
            tensor = self.tensors[name]
            if tensor.dtype != torch.uint8 or tensor.ndim != 3 or tensor.shape[2] != 3:
                said = f"{tensor.dtype} {tuple(tensor.shape)}"
                raise BadCheckpoint(f"{self.path}: {name} is {said}; an RGB picture is uint8 (height, width, 3)")
        return [self.tensors[name].numpy() for name in names]

    @property
    def _raw_names(self) -> list[str]:
        """Numbered, or numbered inside the row that shows them."""
        names = (name for name in self.tensors if name.startswith(RAW))
        return sorted(names, key=lambda name: [int(part) for part in name.removeprefix(RAW).split("_")])

    @property
    def beside(self) -> list[int]:
        """How many others each raw picture is shown with; none where nothing says which row shows it."""
        rows = [name.removeprefix(RAW).partition("_") for name in self._raw_names]
        return [sum(other == row for other, _, _ in rows) - 1 if inner else 0 for row, _, inner in rows]

    def marked(self, image: int) -> Given:
        """With the model's own placeholder where pictures stand: by a mask, or by each row's positions from and to."""
        mask = next((name for name in ("images_seq_mask", "image_embeds_position_mask") if name in self), None)
        if mask is not None:
            ids_BT = self["input_ids"].masked_fill(self[mask].bool(), image)
        elif "image_bound.0" in self:
            ids_BT = self["input_ids"].clone()
            for row, ids_T in enumerate(ids_BT):
                for start, end in self.tensors.get(f"image_bound.{row}", torch.zeros(0, 2)).long().tolist():
                    ids_T[start:end] = image
        else:
            return self
        return Given(self.path, {**self.tensors, "input_ids": ids_BT})

    @property
    def start(self) -> Start:
        return "raw" if self.raw else "tensors"

    @property
    def valid_BT(self) -> Tensor:
        """True at ids that are no pads."""
        if "attention_mask" in self:
            return self["attention_mask"].bool()
        return torch.ones_like(self["input_ids"], dtype=torch.bool)

    @property
    def rows(self) -> list[list[int]]:
        """Ids of each row, its pads left out."""
        return [ids[valid].tolist() for ids, valid in zip(self["input_ids"], self.valid_BT, strict=True)]

    @property
    def prompts(self) -> list[int] | None:
        """How many ids of each row are its prompt, where token types say so: zeros, before ones."""
        if "token_type_ids" not in self:
            return None
        return [int((kinds[valid] == 0).sum()) for kinds, valid in zip(self["token_type_ids"], self.valid_BT, strict=True)]

    @property
    def hints(self) -> list[list[int]]:
        """What a connector reads with each row's pictures, its pads left out."""
        if "qformer_input_ids" not in self:
            return []
        masks = self["qformer_attention_mask"].bool()
        return [ids[valid].tolist() for ids, valid in zip(self["qformer_input_ids"], masks, strict=True)]

    def shown(self, looks: Looks, connector: Sequence[Step] = ()) -> Shown | None:
        """Every picture, then every clip; none where the folder has neither. `connector` says how patches that are given
        flat were ordered."""
        found = (self._pictures(looks, connector), self._clips(looks, connector))
        parts = [part for part in found if part is not None]
        if not parts:
            return None
        items = tuple(chain.from_iterable(part.items for part in parts))
        used = parts[0].views
        grids = (grid for number, item in enumerate(items) for grid in _grids(used, looks, item, number))
        return Shown(used, items, tuple(grids), torch.cat([part.patches_PK for part in parts]))

    def _pictures(self, looks: Looks, connector: Sequence[Step]) -> _Pictures | None:
        if self.raw:
            shown = list(zip(self.raw, self.beside, strict=True))
            seen = [torch.from_numpy(packed(look(looks, pixels, n, beside))) for n, (pixels, beside) in enumerate(shown)]
            return _Pictures(looks.views, [Size(p.shape[1], p.shape[0], beside) for p, beside in shown], torch.cat(seen))
        if "pixel_values_images" in self:
            return self._whole(looks, self["pixel_values_images"])
        if isinstance(looks.encoder, Flat):
            return self._strips(looks)
        if "image_pixel_values" in self:
            return self._covered(looks)
        if "images_spatial_crop" in self and isinstance(looks.views, Candidates):
            return self._candidates(looks, looks.views)
        if "pixel_values" not in self:
            return None
        if "high_res_pixel_values" in self:
            return self._low_high(looks)
        if "image_grid_thw" in self:
            return self._flat(looks, connector)
        if "image_sizes" in self:
            return self._tiled(looks)
        if "spatial_shapes" in self:
            return self._shaped(looks)
        pixels = self["pixel_values"]
        if isinstance(looks.views, Bounded) and "pixel_attention_mask" in self:
            return self._masked(looks)
        if isinstance(looks.views, Canvas):
            return self._canvases(looks, looks.views)
        if pixels.ndim == 5:
            pixels = self._tiles(pixels)
        if pixels.ndim == 6:
            # As many pictures for each row, of one frame each.
            pixels = pixels.flatten(0, 2)
        return self._whole(looks, pixels)

    def _whole(self, looks: Looks, pixels: Tensor) -> _Pictures:
        """Views of one size, each a picture of its own."""
        if pixels.ndim != 4:
            said = f"pixel_values {tuple(pixels.shape)} with neither image_sizes nor image_grid_thw"
            raise BadCheckpoint(f"{self.path}: {said} is no form of pictures that is read")
        height, width = pixels.shape[-2:]
        return _Pictures(Resize(height, width, "squash"), [Size(width, height)] * len(pixels), cut(looks, pixels))

    def _strips(self, looks: Looks) -> _Pictures | None:
        """Flat patches of each row, or of the one that has any, colours innermost; how long their lines are is nowhere told. Or
        whole pictures."""
        name = "image_patches" if "image_patches" in self else "pixel_values"
        if name not in self:
            return None
        given = self[name]
        if given.ndim == 4:
            return self._whole(looks, given)
        rows = given if given.ndim == 3 else given[None]
        patches_PK = rows.flatten(0, 1).unflatten(1, (-1, 3)).transpose(1, 2).flatten(1)
        patch = looks.encoder.patch
        strip: Item = Size(rows.shape[1] * patch, patch)
        return _Pictures(Native(patch, least=1, most=2**62, ratio=inf), [strip] * len(rows), patches_PK)

    def _candidates(self, looks: Looks, views: Candidates) -> _Pictures:
        """Views of each row's pictures, whose (columns, rows) of tiles are given; what follows them is filling."""
        sizes: list[Item] = []
        parts: list[Tensor] = []
        for grids, pixels in zip(self["images_spatial_crop"].tolist(), self["images"], strict=True):
            shown = [(columns, rows) for columns, rows in grids if columns and rows]
            sizes += [Size(columns * views.tile, rows * views.tile) for columns, rows in shown]
            parts.append(pixels[: sum(1 + columns * rows for columns, rows in shown)])
        return _Pictures(views, sizes, cut(looks, torch.cat(parts)))

    def _low_high(self, looks: Looks) -> _Pictures:
        """Both views of each picture, patches of the smaller encoder ending in zeros."""
        low, high = self["pixel_values"], self["high_res_pixel_values"]
        assert isinstance(looks.encoder, Both)
        patches = looks.encoder.low.patch, looks.encoder.high.tower.patch
        parts = [
            patchify(view, patch) for pair in zip(low, high, strict=True) for view, patch in zip(pair, patches, strict=True)
        ]
        widest = max(part.shape[1] for part in parts)
        size = Size(high.shape[-1], high.shape[-2])
        packed_PK = torch.cat([pad(part, (0, widest - part.shape[1])) for part in parts])
        return _Pictures(looks.views, [size] * len(high), packed_PK)

    def _canvases(self, looks: Looks, views: Canvas) -> _Pictures:
        """Places for pictures, each of as many tiles as any, with the number of its tiling: 0 where it has none."""
        shapes = [(1, 1), *tilings(views.most)]
        items: list[Item] = []
        tiles = []
        for pixels, number in zip(self["pixel_values"].flatten(0, 1), self["aspect_ratio_ids"].flatten().tolist(), strict=True):
            rows, columns = shapes[number]
            size = Size(columns * views.tile, rows * views.tile)
            items.append(size if number else blank(views, looks, size))
            tiles.append(pixels[: rows * columns])
        return _Pictures(views, items, cut(looks, torch.cat(tiles)))

    def _masked(self, looks: Looks) -> _Pictures:
        """Pictures of their own sizes at the corners of equal canvases, by the mask of their pixels."""
        masks = self["pixel_attention_mask"].flatten(0, 1).bool()
        sizes = [(int(mask.any(1).sum()), int(mask.any(0).sum())) for mask in masks]
        shown = zip(self["pixel_values"].flatten(0, 1), sizes, strict=True)
        return _cornered(looks, [pixels[:, :height, :width] for pixels, (height, width) in shown if height and width])

    def _covered(self, looks: Looks) -> _Pictures:
        """Canvases of tiles, each led by the whole of it, and masks of the patches that are no padding."""
        assert isinstance(looks.views, CoverTiles)
        tile, patch = looks.views.tile, looks.encoder.patch
        exact = replace(looks.views, most=2**31)
        sizes: list[Item] = []
        parts = []
        pictures = zip(*(self[f"image_{name}"] for name in ("pixel_values", "sizes", "attention_mask")), strict=True)
        for shown, (height, width), masks in pictures:
            rows, columns = int(height) // tile, int(width) // tile
            tiles = masks[1 : 1 + rows * columns].unflatten(0, (rows, columns)).bool()
            sizes.append(Size(int(tiles[0, :, 0].sum()) * patch, int(tiles[:, 0, :, 0].sum()) * patch))
            parts.append(shown[: 1 + rows * columns])
        return _Pictures(exact, sizes, cut(looks, torch.cat(parts)))

    def _flat(self, looks: Looks, connector: Sequence[Step]) -> _Pictures:
        """Patches of native resolution, in the order in which they are merged."""
        grids, patch = self["image_grid_thw"].tolist(), looks.encoder.patch
        exact = Native(patch * merge(connector).side, least=1, most=2**62, ratio=inf)
        sizes: list[Item] = [Size(w * patch, h * patch) for _, h, w in grids]
        return _Pictures(exact, sizes, rastered(connector, self["pixel_values"], grids))

    def _shaped(self, looks: Looks) -> _Pictures:
        """Patches of pictures of many shapes, colours innermost, padded to as many for each."""
        shapes, patch = self["spatial_shapes"].tolist(), looks.encoder.patch
        parts = [patches[: h * w] for patches, (h, w) in zip(self["pixel_values"], shapes, strict=True)]
        patches_PK = torch.cat(parts).unflatten(1, (-1, 3)).transpose(1, 2).flatten(1)
        sizes: list[Item] = [Size(w * patch, h * patch) for h, w in shapes]
        return _Pictures(Native(patch, least=1, most=2**62, ratio=inf), sizes, patches_PK)

    def _tiled(self, looks: Looks) -> _Pictures:
        """The views of each picture and its (height, width), padded to the most views of any."""
        sizes: list[Item] = [Size(width, height) for height, width in self["image_sizes"].tolist()]
        if isinstance(looks.views, Longest | Native):
            shown = zip(self["pixel_values"], self["image_sizes"].tolist(), strict=True)
            return _cornered(looks, [pixels[:, :height, :width] for pixels, (height, width) in shown])
        pixels, counts = self["pixel_values"], [len(_grids(looks.views, looks, size, 0)) for size in sizes]
        if pixels.ndim == 5:
            pixels = torch.cat([picture[:count] for picture, count in zip(pixels, counts, strict=True)])
        if len(pixels) != sum(counts):
            said = f"{len(pixels)} views of pictures that make {sum(counts)}"
            raise BadCheckpoint(f"{self.path}: pixel_values holds {said} by config.json and image_sizes")
        return _Pictures(looks.views, sizes, cut(looks, pixels))

    def _tiles(self, pixels: Tensor) -> Tensor:
        """Views of each row, padded to the most views of any by ones of zeros. Every view is a picture of its own here:
        the encoder never looks from one to another."""
        if "pixel_attention_mask" in self:
            mask = self["pixel_attention_mask"].flatten(0, 1).flatten(1).bool()
            if bool((mask.any(1) != mask.all(1)).any()):
                raise BadCheckpoint(f"{self.path}: pixel_attention_mask hides parts of views, which is not supported")
        flat = pixels.flatten(0, 1)
        return flat[(flat != 0).flatten(1).any(1)]

    def _clips(self, looks: Looks, connector: Sequence[Step]) -> _Pictures | None:
        """Videos are given as frames or as patches: nothing says how their frames were chosen."""
        if "frame_features" in self:
            return _featured(looks, self["frame_features"])
        if "pixel_values_videos" not in self:
            return None
        if "video_grid_thw" not in self:
            return _framed(looks, self["pixel_values_videos"])
        grids: list[list[int]] = self["video_grid_thw"].tolist()
        steps = self["second_per_grid_ts"].tolist() if "second_per_grid_ts" in self else [1.0] * len(grids)
        clips: list[Item] = [
            Clip(Grid(0, t, h, w, Box(0, 0, w, h), tuple(step * frame for frame in range(t))))
            for (t, h, w), step in zip(grids, steps, strict=True)
        ]
        return _Pictures(looks.views, clips, rastered(connector, self["pixel_values_videos"], grids))


def tensors(path: Path) -> dict[str, Tensor]:
    """Everything in one safetensors file. Raises `BadCheckpoint` for a broken one."""
    files = TensorFiles([path])
    return {name: files.get(name) for name in files}


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
