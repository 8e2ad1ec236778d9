"""Outputs of references that are tools without weights, under the references' names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from chiasm.check.volumes import filters
from chiasm.geometry import Size
from chiasm.heads.regions import boxes_around, enlarged, lattice, stability
from chiasm.pixels.views import look, packed
from chiasm.reference.given import Given
from chiasm.spec import Flat, Pinpoints, Pixels, Resize, See, Views

Tool = Callable[[Given, dict[str, Any]], dict[str, Tensor]]


def sam_postprocess(given: Given, config: dict[str, Any]) -> dict[str, Tensor]:
    """Masks brought to their pictures' sizes: how many pixels each has, and every sixteenth row and column of its logits."""
    got = {}
    for number in range(sum(name.startswith("low_res.") for name in given.tensors)):
        height, width = given[f"original.{number}"][0].tolist()
        high, wide = given[f"reshaped.{number}"][0].tolist()
        logits = enlarged(given[f"low_res.{number}"], config["pad_size"], (high, wide), Size(width, height))
        got[f"stride.{number}"] = logits[..., ::16, ::16].contiguous()
        got[f"area.{number}"] = (logits > config["mask_threshold"]).sum((-1, -2))
    return got


def sam_amg(given: Given, config: dict[str, Any]) -> dict[str, Tensor]:
    """What the automatic generator asks of masks, and the points that it begins with."""
    logits = given["logits"]
    got = {"stability": stability(logits), "boxes_xyxy": boxes_around(logits > 0), "area": (logits > 0).sum((-1, -2))}
    return {**got, "grid_points_4": torch.from_numpy(lattice(4))}


def llava_preprocess(given: Given, config: dict[str, Any]) -> dict[str, Tensor]:
    """LLaVA's views of pictures: any resolution, the whole squashed first, and one square with the mean's colour around it."""
    side, (red, green, blue), (r, g, b) = config["crop_size"], config["image_mean"], config["image_std"]
    numbers = Pixels((red, green, blue), (r, g, b))
    points = Pinpoints(side, tuple((high, wide) for wide, high in config["image_grid_pinpoints"]))
    got = {}
    for number, picture in enumerate(given.raw):
        shown: dict[str, Views] = {"anyres": points, "pad": Resize(side, side, "pad")}
        for name, shows in shown.items():
            seen = torch.from_numpy(packed(look(See(shows, numbers, Flat(side), ()), picture, 0)))
            views_NCHW = seen.unflatten(1, (3, side, side))
            got[f"{name}.{number}"] = views_NCHW if name == "anyres" else views_NCHW[0]
    return got


TOOLS: dict[str, Tool] = {"sam_postprocess": sam_postprocess, "sam_amg": sam_amg, "llava_preprocess": llava_preprocess}
"""By the name that meta.json gives."""

WEIGHT_TOOLS: dict[str, Callable[[Mapping[str, Tensor]], dict[str, Tensor]]] = {"merlin-inflate": filters}
"""Those that make weights of weights."""
