"""MiniCPM-V 4.6: slices of its processor, tokens that merge inside the encoder, and what its layout refuses."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from chiasm.errors import BadConfig, BadPicture
from chiasm.geometry import Size, views
from chiasm.place import Box, Grid
from chiasm.prompt.items import count, lay
from chiasm.prompt.marks import written
from chiasm.reference.make import build
from chiasm.reference.parts import processor
from chiasm.spec import Block, Buckets, Causal, MergingViT, Norm, Sight, ViT
from chiasm.vision import encoder
from chiasm.weights.read import describe

SIZES = (Size(60, 130), Size(41, 40), Size(300, 20), Size(20, 300), Size(56, 56), Size(57, 56), Size(113, 112), Size(9, 11))
MODES = ("16x", "4x")
DIVISOR = {"16x": 16, "4x": 4}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    at = {mode: tmp_path_factory.mktemp("minicpm") / mode for mode in MODES}
    for variant, mode in enumerate(MODES):
        build("minicpm_v46", variant, 0, None, at[mode])
    return at


def sight_of(model: Any) -> Sight:
    assert isinstance(model, Causal) and model.sight is not None
    return model.sight


def told(folder: Path, out: Path, **changes: Any) -> Path:
    """The folder's settings with other values; `pixels` are those of its preprocessor."""
    for name, mine in (("preprocessor_config.json", changes.pop("pixels", {})), ("config.json", changes)):
        (out / name).write_text(json.dumps(json.loads((folder / name).read_text()) | mine))
    return out


@pytest.mark.parametrize("mode", MODES)
def test_slices_tokens_and_text_are_the_processors(mode: str, folders: dict[str, Path]) -> None:
    model = describe(folders[mode]).model
    assert isinstance(model, Causal)
    sight = sight_of(model)
    settings = {"patch_size": 7, "scale_resolution": 56, "max_slice_nums": 4, "downsample_mode": mode}
    by = processor("minicpmv4_6", "MiniCPMV4_6", **settings)
    speaker: Any = SimpleNamespace(
        image_start_token="<image>", image_end_token="</image>", image_token="@", slice_start_token="<slice>",
        slice_end_token="</slice>", slice_mode=True,
    )  # fmt: skip
    from transformers.models.minicpmv4_6.processing_minicpmv4_6 import MiniCPMV4_6Processor

    for size in SIZES:
        seen = by(images=[Image.fromarray(np.zeros((size.height, size.width, 3), np.uint8))], return_tensors="np")
        ours = views(sight.views, sight.pixels, sight.encoder, size, 0)
        assert [[view.grid.h, view.grid.w] for view in ours] == seen["target_sizes"].tolist()
        tokens = seen["target_sizes"].prod(-1) // DIVISOR[mode]
        assert count(model, size).visual == tokens.sum()
        _, laid, _ = lay(model, [size])
        text = MiniCPMV4_6Processor.replace_image_token(speaker, seen, 0, image_token_divisor=DIVISOR[mode])
        assert written(sight.marks, "@", laid.grids, laid.of_views(), 3) == "<image_id>3</image_id>" + text


EYE = ViT(Block(24, 3, 40, 3, 8, Norm("layer", 1e-6), "gelu_tanh"), 3, 7, Buckets(8, "divided"), post_norm="applied")


def grid(h: int, w: int) -> Grid:
    return Grid(0, 1, h, w, Box(0, 0, w, h))


def test_a_token_stands_for_its_window_and_lies_in_its_box() -> None:
    """What a window shows reaches its own token alone, where nothing attends after the merging."""
    module = encoder(MergingViT(replace(EYE, depth=0), 0, 160))
    patches_PK = torch.randn(4 * 6 + 2 * 2, 147)
    grids = [grid(4, 6), grid(2, 2)]
    laid = module.laid(grids)
    assert [(one.h, one.w) for one in laid.grids] == [(2, 3), (1, 1)] and [one.box for one in laid.grids] == [
        g.box for g in grids
    ]
    with torch.no_grad():
        plain_PE = module(patches_PK, grids)
        for number, (first, y, x) in enumerate(laid.place_V4[:, [0, 2, 3]].tolist()):
            other_PK = patches_PK.clone()
            other_PK[24 * first + (2 * y + 1) * grids[first].w + 2 * x] += 1
            moved_V = (module(other_PK, grids) - plain_PE).abs().amax(1) > 1e-6
            assert moved_V.nonzero().flatten().tolist() == [number]


def test_a_grid_that_is_no_whole_number_of_windows_is_refused() -> None:
    module = encoder(MergingViT(EYE, 2, 160))
    with pytest.raises(BadPicture):
        module(torch.randn(12, 147), [grid(3, 4)])


@pytest.mark.parametrize("number", [-1, 3])
def test_merging_after_a_layer_that_is_not_there_is_refused(number: int, folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="insert_layer_id"):
        describe(told(folders["16x"], tmp_path, insert_layer_id=number))
    idle = sight_of(describe(told(folders["4x"], tmp_path, insert_layer_id=number)).model).encoder
    assert isinstance(idle, MergingViT) and idle.after is None


def test_a_preprocessor_of_the_other_mode_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="downsample_mode"):
        describe(told(folders["16x"], tmp_path, pixels={"downsample_mode": "4x"}))


def test_numbers_can_be_left_out(folders: dict[str, Path], tmp_path: Path) -> None:
    model = describe(told(folders["16x"], tmp_path, pixels={"use_image_id": False})).model
    assert isinstance(model, Causal) and count(model, Size(20, 20)).marks == 2
