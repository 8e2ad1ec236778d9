"""Counting from sizes alone equals the references' processors, for every size."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
from counted import spec, visual
from sizes import FEW, SIZES

from chiasm.errors import BadPicture
from chiasm.geometry import Size
from chiasm.place import Box, Grid
from chiasm.prompt.items import Clip, Count, count, lay
from chiasm.reference.parts import clip_processor, library, processor
from chiasm.spec import DynamicTiles, Pinpoints

PINPOINTS = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]


def test_three_pictures_of_deepseek_vl2_have_one_tile_each() -> None:
    for width, height in ((1000, 500), (30, 40), (4000, 3000)):
        assert count(spec("deepseek-vl2"), Size(width, height, beside=2)) == Count(14 * 15 + 1 + 14 * 15, 0)


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
