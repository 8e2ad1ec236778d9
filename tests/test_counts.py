"""Counting from sizes alone equals the reference's processors and what the encoders really put out."""

import importlib
from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Reference
from safetensors.torch import load_file
from sizes import FEW, SIZES

from chiasm.errors import BadPicture
from chiasm.geometry import Size, View, views
from chiasm.model import Causal, Match, Sight
from chiasm.pixels.views import look, packed
from chiasm.place import Box, Grid
from chiasm.prompt.items import Clip, Count, count, lay
from chiasm.reference.parts import clip_processor, library, processor
from chiasm.registry import families
from chiasm.spec import (
    VQ,
    DynamicTiles,
    Fitted,
    Flat,
    Longest,
    Native,
    Pinpoints,
    Pixels,
    TileGrid,
    ViT,
)
from chiasm.spec import Causal as CausalSpec
from chiasm.weights.read import describe, load_model

PINPOINTS = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]


def spec(family: str) -> CausalSpec:
    model = families()[family].model
    assert isinstance(model, CausalSpec)
    return model


def visual(model: CausalSpec, width: int, height: int) -> int:
    return count(model, Size(width, height)).visual


def test_three_pictures_of_deepseek_vl2_have_one_tile_each() -> None:
    for width, height in ((1000, 500), (30, 40), (4000, 3000)):
        assert count(spec("deepseek-vl2"), Size(width, height, beside=2)) == Count(14 * 15 + 1 + 14 * 15, 0)


def made(model: CausalSpec, width: int, height: int) -> tuple[View, ...]:
    assert model.sight is not None
    return views(model.sight.views, model.sight.pixels, model.sight.encoder, Size(width, height), 0)


# --- published rules on 300 sizes -------------------------------------------------------------------------------------------


def test_the_list_of_sizes_is_what_it_claims() -> None:
    assert len(set(SIZES)) == 300
    assert {(1, 1), (1, 4000), (4000, 1), (335, 384), (336, 383), (337, 385), (2039, 3)} <= set(SIZES)
    assert 15 <= len(FEW) <= 30


def test_llava_next_counts_as_the_processor() -> None:
    reference = library().LlavaNextProcessor.__new__(library().LlavaNextProcessor)
    reference.image_processor = clip_processor(336, "llava_next", "LlavaNext", image_grid_pinpoints=PINPOINTS)
    reference.patch_size, reference.num_additional_image_tokens = 14, 1
    for width, height in SIZES:
        with_cls = reference._get_number_of_features(height, width, 336, 336)
        assert visual(spec("llava-next"), width, height) == with_cls - 1, (width, height)


@pytest.mark.parametrize(("family", "longest", "tile", "each"), [("idefics3", 1456, 364, 169), ("smolvlm", 2048, 512, 64)])
def test_tiles_count_as_the_processor(family: str, longest: int, tile: int, each: int) -> None:
    by = processor("idefics3", "Idefics3", size={"longest_edge": longest}, max_image_size={"longest_edge": tile})
    for width, height in SIZES:
        seen = max(1, by.get_number_of_image_patches(height, width, {})[0])
        assert count(spec(family), Size(width, height)) == Count(seen * each, 2 * seen + 1), (width, height)


@pytest.mark.parametrize("family", ["qwen2-vl", "qwen2.5-vl"])
def test_native_resolution_counts_as_the_processor(family: str) -> None:
    by = processor("qwen2_vl", "Qwen2VL", min_pixels=3136, max_pixels=12845056)
    refused = 0
    for width, height in SIZES:
        try:
            wanted = by.get_number_of_image_patches(height, width, {}) // 4
        except ValueError:
            refused += 1
            with pytest.raises(BadPicture, match=f"{width} x {height}"):
                visual(spec(family), width, height)
        else:
            assert visual(spec(family), width, height) == wanted, (width, height)
    assert refused == sum(max(size) / min(size) > 200 for size in SIZES) > 5


@pytest.mark.parametrize("most", [12, 40])
def test_dynamic_tiles_count_as_the_processor(most: int) -> None:
    size = {"height": 448, "width": 448}
    by = processor("got_ocr2", "GotOcr2", size=size, crop_to_patches=True, min_patches=1, max_patches=most)
    model = spec("internvl-3")
    assert model.sight is not None
    model = replace(model, sight=replace(model.sight, views=DynamicTiles(448, most)))
    for width, height in SIZES:
        seen = by.get_number_of_image_patches(height, width, {})
        assert count(model, Size(width, height)) == Count(256 * seen, 2), (width, height)


def test_onevision_counts_as_the_processor() -> None:
    reference = library().LlavaOnevisionProcessor.__new__(library().LlavaOnevisionProcessor)
    model = spec("llava-onevision")
    assert model.sight is not None and isinstance(model.sight.views, Pinpoints)
    points = [list(point) for point in model.sight.views.grids]
    reference.image_processor = processor("llava_onevision", "LlavaOnevision", image_grid_pinpoints=points)
    reference.num_image_tokens, reference.vision_aspect_ratio = 729, "anyres_max_9"
    for width, height in SIZES:
        assert visual(model, width, height) == reference._get_number_of_features(height, width, 384, 384), (width, height)


def test_pixtral_counts_as_the_processor() -> None:
    sizes = importlib.import_module("transformers.models.pixtral.image_processing_pil_pixtral")
    for width, height in SIZES:
        if max(width, height) > 1024 and min(width, height) * 1024 < max(width, height):
            # The reference asks for a picture of no pixels here, which Pillow refuses.
            with pytest.raises(BadPicture, match="too thin"):
                visual(spec("pixtral"), width, height)
            continue
        picture = np.empty((3, height, width), np.bool_)
        high, wide = sizes.get_resize_output_image_size(picture, (1024, 1024), (16, 16), "channels_first")
        rows, columns = high // 16, wide // 16
        assert count(spec("pixtral"), Size(width, height)) == Count(rows * columns, rows), (width, height)


def test_queries_count_the_same_for_every_size() -> None:
    split = sum(1 for width, height in SIZES if min(width, height) > 1)
    for width, height in SIZES:
        if min(width, height) > 1:
            assert count(spec("idefics2"), Size(width, height)) == Count(5 * 64, 6), (width, height)
        else:
            with pytest.raises(BadPicture, match="too thin"):
                visual(spec("idefics2"), width, height)
    assert split > 280


def test_a_clip_counts_by_its_frames() -> None:
    def clip(cells: int, steps: int = 8) -> Clip:
        return Clip(Grid(0, steps, cells, cells, Box(0, 0, 1, 1), tuple(map(float, range(steps)))))

    wanted = {
        "llava-onevision": (27, 8 * 14 * 14 + 1),
        "llava-next-video": (24, 8 * 12 * 12),
        "video-llava": (16, 8 * 257),
        "videochat2": (14, 96),
    }
    for name, (cells, tokens) in wanted.items():
        assert lay(spec(name), [clip(cells)])[2] == [tokens]
        _, laid, counts = lay(spec(name), [Size(300, 200), clip(cells), Size(40, 50)])
        assert counts[1] == tokens and sum(counts) == len(laid)


def test_one_view_counts_the_same_for_every_size() -> None:
    for width, height in SIZES:
        assert visual(spec("llava-1.5"), width, height) == 576
        assert visual(spec("llava-1.0"), width, height) == 256
        assert visual(spec("llava-interleave"), width, height) == 729
        assert visual(spec("deepseek-vl"), width, height) == 576
        assert visual(spec("deepseek-vl-hybrid"), width, height) == 576


def test_one_picture_of_1344() -> None:
    wanted = {"llava-1.5": 576, "llava-next": 2928, "qwen2-vl": 2304, "idefics3": 2873, "smolvlm": 1088, "internvl-2.5": 2560}
    wanted |= {"pixtral": 4096, "idefics2": 320, "deepseek-vl": 576, "janus-pro": 576, "fuyu": 36 * 36, "chameleon": 1024}
    assert {name: visual(spec(name), 1344, 1344) for name in wanted} == wanted


# --- every view on 300 sizes, the encoder on some ---------------------------------------------------------------------------


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


EYE = families()["clip"].model.encoder  # type: ignore[union-attr]


def _next_like(width: int, height: int) -> list[Any]:
    points = Pinpoints(30, ((30, 60), (60, 30), (60, 60), (90, 30), (30, 90)))
    return [view.grid for view in views(points, Pixels(), replace(EYE, patch=6), Size(width, height), 0)]


def _idefics_like(width: int, height: int) -> list[Any]:
    return [view.grid for view in views(TileGrid(56, 28), Pixels(), replace(EYE, patch=7), Size(width, height), 0)]


def _qwen_like(width: int, height: int) -> list[Any]:
    return [view.grid for view in views(Native(12, 144, 2880), Pixels(), replace(EYE, patch=6), Size(width, height), 0)]


def test_contrastive_towers_see_one_view_of_every_size(reference: Reference) -> None:
    model = load_model(describe(reference("siglip", 0)), torch.float32)
    assert isinstance(model, Match)
    folder = load_file(reference("siglip", 0) / "inputs.safetensors")
    assert len(folder["pixel_values"]) == 2
    for width, height in SIZES:
        (view,) = views(model.spec.views, model.spec.pixels, model.spec.encoder, Size(width, height), 0)
        assert view.grid.h == view.grid.w == ceil(model.spec.views.height / model.spec.encoder.patch)
