"""Views fill their grids, show what their boxes say, and encoders put out what was counted."""

from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Reference
from counted import made, visual
from safetensors.torch import load_file
from sizes import FEW, SIZES

from chiasm.errors import BadPicture
from chiasm.geometry import Size, View, views
from chiasm.model import Causal, Match, Sight
from chiasm.pixels.views import look, packed
from chiasm.spec import VQ, Block, Buckets, Fitted, Flat, Longest, Native, Norm, Pinpoints, Pixels, Resize, TileGrid, ViT
from chiasm.spec import Causal as CausalSpec
from chiasm.weights.read import describe, load_model

SEEING = {
    "llava": 0, "llava_next": 0, "idefics3": 0, "smolvlm": 1, "qwen2_vl": 0, "qwen2_5_vl": 1, "internvl": 0,
    "llava_onevision": 0, "pixtral": 0, "deepseek_vl": 1, "idefics2": 0, "llava_next_video": 1, "fuyu": 0, "janus": 1,
    "chameleon": 1, "emu3": 0, "kosmos2": 0,
}  # fmt: skip


@pytest.mark.parametrize(("name", "variant"), SEEING.items())
def test_views_fill_their_grids_and_their_boxes(reference: Reference, name: str, variant: int) -> None:
    model = describe(reference(name, variant)).model
    assert isinstance(model, CausalSpec) and model.sight is not None and isinstance(model.sight.encoder, ViT | Flat | VQ)
    patch = model.sight.encoder.patch
    for width, height in SIZES:
        try:
            seen = made(model, width, height)
        except BadPicture:
            assert max(width, height) / min(width, height) > (200 if isinstance(model.sight.views, Native) else 48)
            assert isinstance(model.sight.views, Native | Longest | Fitted)
            continue
        for view in seen:
            last = view.strokes[-1]
            assert (view.grid.h, view.grid.w) == (last.height // patch, last.width // patch)
            assert view.grid.box.x0 < view.grid.box.x1 and view.grid.box.y0 < view.grid.box.y1
        _assert_covered(seen, width, height)


def _assert_covered(seen: tuple[View, ...], width: int, height: int) -> None:
    """Tiles cut the picture without gap or overlap, and every whole view shows all of the picture or its centre."""
    tiles = [view.grid.box for view in seen if len({v.strokes[:-1] for v in seen}) > 1 and len(view.strokes) == 3]
    if not tiles:
        return
    area = sum((box.x1 - box.x0) * (box.y1 - box.y0) for box in tiles)
    x0, y0 = min(box.x0 for box in tiles), min(box.y0 for box in tiles)
    x1, y1 = max(box.x1 for box in tiles), max(box.y1 for box in tiles)
    assert area == pytest.approx((x1 - x0) * (y1 - y0), rel=1e-6)
    assert x0 <= 1e-6 and y0 <= 1e-6 and x1 >= width - 1e-6 and y1 >= height - 1e-6


@pytest.mark.parametrize(("name", "variant"), SEEING.items())
def test_encoders_put_out_what_was_counted(reference: Reference, name: str, variant: int) -> None:
    model = load_model(describe(reference(name, variant)), torch.float32)
    assert isinstance(model, Causal) and model.spec.sight is not None
    draw = np.random.default_rng(0)
    for width, height in FEW:
        pixels = draw.integers(0, 256, (height, width, 3), np.uint8)
        seen = look(model.spec.sight, pixels, 0)
        with torch.inference_mode():
            shown = Sight(torch.from_numpy(packed(seen)), tuple(view.grid for view, _ in seen), ((width, height),))
            tokens = model.see(shown)
        assert len(tokens.tokens_VD) == len(tokens.laid) == visual(model.spec, width, height), (width, height)


@pytest.mark.parametrize("name", ["llava_next", "idefics3", "qwen2_vl"])
def test_processors_really_make_those_views(name: str) -> None:
    """The reference's own pixels, not its helper's word for them."""
    from chiasm.reference.case import Draw
    from chiasm.reference.cases import REFERENCES
    from chiasm.reference.parts import processed

    folder_spec = {"llava_next": _next_like, "idefics3": _idefics_like, "qwen2_vl": _qwen_like}[name]
    by = REFERENCES[name].draw(0, Draw(0, None)).processor
    draw = np.random.default_rng(1)
    for width, height in FEW:
        picture = draw.integers(0, 256, (height, width, 3), np.uint8)
        if name == "qwen2_vl":
            made_here = processed(by, [picture], "image_grid_thw")["image_grid_thw"].tolist()
            assert [[1, grid.h, grid.w] for grid in folder_spec(width, height)] == made_here
        else:
            nested = [[picture]] if name == "idefics3" else [picture]
            assert processed(by, nested, "pixel_values")["pixel_values"].shape[1] == len(folder_spec(width, height))


EYE = ViT(Block(16, 2, 24, 2, 8, Norm("layer")), 2, 14, Buckets(4))


def _next_like(width: int, height: int) -> list[Any]:
    points = Pinpoints(30, ((30, 60), (60, 30), (60, 60), (90, 30), (30, 90)))
    return [view.grid for view in views(points, Pixels(), replace(EYE, patch=6), Size(width, height), 0)]


def _idefics_like(width: int, height: int) -> list[Any]:
    return [view.grid for view in views(TileGrid(56, 28), Pixels(), replace(EYE, patch=7), Size(width, height), 0)]


def _qwen_like(width: int, height: int) -> list[Any]:
    return [view.grid for view in views(Native(12, 144, 2880), Pixels(), replace(EYE, patch=6), Size(width, height), 0)]


def test_contrastive_towers_see_one_view_of_every_size(reference: Reference) -> None:
    model = load_model(describe(reference("siglip", 0)), torch.float32)
    assert isinstance(model, Match) and isinstance(model.spec.views, Resize)
    folder = load_file(reference("siglip", 0) / "inputs.safetensors")
    assert len(folder["pixel_values"]) == 2
    for width, height in SIZES:
        (view,) = views(model.spec.views, model.spec.pixels, model.spec.encoder, Size(width, height), 0)
        assert view.grid.h == view.grid.w == ceil(model.spec.views.height / model.spec.encoder.patch)
