"""Outlines: sizes and points in the model's square, masks in the picture's own pixels, and the verb that asks for them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Reference
from sizes import FEW, SIZES

import chiasm
from chiasm.check import check
from chiasm.errors import BadCheckpoint, BadPicture, BadPrompt, Unsupported
from chiasm.geometry import Size, corner_size
from chiasm.heads.regions import Runs, boxes_around, enlarged, lattice, stability
from chiasm.pixels.views import look, packed
from chiasm.place import Box, Point
from chiasm.reference.parts import processed, processor
from chiasm.registry import families
from chiasm.spec import Corner, Segment


def logits(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def sam() -> Segment:
    model = families()["sam"].model
    assert isinstance(model, Segment)
    return model


# --- sizes ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", FEW)
def test_the_square_is_the_processors_bit_for_bit(size: tuple[int, int]) -> None:
    width, height = size
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    by = processor("sam", "Sam", size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})
    model = sam()
    small = Segment(Corner(64), model.pixels, model.encoder, model.masks)
    wanted = processed(by, [pixels], "pixel_values")["pixel_values"][0]
    got = torch.from_numpy(packed(look(small, pixels, 0))).unflatten(1, (3, 16, 16)).unflatten(0, (4, 4))
    assert torch.equal(got.permute(2, 0, 3, 1, 4).reshape(3, 64, 64), wanted)


def test_a_picture_too_thin_for_a_pixel_is_refused() -> None:
    with pytest.raises(BadPicture, match="4000 x 1"):
        corner_size(Corner(1024), Size(4000, 1))


# --- masks ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES[::60])
def test_masks_are_enlarged_as_the_processor_does_it(size: tuple[int, int]) -> None:
    width, height = size
    if max(size) / min(size) > 100:
        return
    by = processor("sam", "Sam")
    seen = corner_size(Corner(1024), Size(width, height))
    low = logits(1, 3, 64, 64)
    wanted = by.post_process_masks([low], [[height, width]], [list(seen)], binarize=False)[0]
    assert torch.equal(enlarged(low, 1024, seen, Size(width, height)), wanted)


def test_stability_and_boxes_are_those_of_the_reference() -> None:
    from transformers.models.sam import image_processing_pil_sam as theirs

    some = torch.nn.functional.avg_pool2d(logits(5, 1, 60, 50), 7, 1, 3)[:, 0] * 3 - torch.arange(5)[:, None, None]
    wanted = theirs._compute_stability_score(some, 0, 1)
    assert wanted.isnan().any() and wanted.nan_to_num().any()
    torch.testing.assert_close(stability(some), wanted, rtol=0, atol=0, equal_nan=True)
    masks = some > 0
    masks[3] = False
    assert torch.equal(boxes_around(masks), theirs._batched_mask_to_box(masks))
    assert boxes_around(masks)[3].tolist() == [0, 0, 0, 0]
    assert boxes_around(masks[:0]).shape == (0, 4)


def test_runs_go_column_by_column_and_back() -> None:
    mask = np.zeros((3, 4), bool)
    mask[1, 0] = mask[2, 0] = mask[0, 1] = True
    assert Runs.of(mask) == Runs(3, 4, (1, 3, 8)) and Runs.of(mask).area == 3
    assert Runs.of(~mask).counts == (0, 1, 3, 8) and Runs.of(np.ones((2, 2), bool)).counts == (0, 4)
    for density in (0.0, 0.3, 1.0):
        some = np.random.default_rng(2).random((17, 23)) < density
        assert np.array_equal(Runs.of(some).mask(), some) and Runs.of(some).area == some.sum()
    with pytest.raises(BadPrompt, match="5 pixels in runs for a mask of 2 x 3"):
        Runs(3, 2, (5,)).mask()


def test_a_lattice_stands_at_the_centres_of_equal_parts() -> None:
    assert lattice(2).tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]


# --- the verb ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(reference: Reference) -> chiasm.Assistant:
    return chiasm.load(str(reference("sam", 0)), dtype="float32")


def picture() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (70, 110, 3), np.uint8)


def test_a_point_has_several_outlines_and_more_of_them_one(model: chiasm.Assistant) -> None:
    assert model.capabilities == {"segment"}
    several = model.segment(picture(), Point(30, 20))
    scores = [one.score for one in several if one.score is not None]
    assert len(scores) == len(several) == 3 and scores == sorted(scores, reverse=True)
    one = model.segment(picture(), Point(30, 20), Point(90, 60, "outside"), Box(10, 5, 60, 50))
    assert len(one) == 1 and one[0].mask_HW.shape == (70, 110)
    for outline in (*several, *one):
        ys, xs = outline.mask_HW.nonzero()
        box = outline.box
        if len(ys):
            assert (box.x0, box.y0, box.x1, box.y1) == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_points_and_boxes_mean_the_same_in_any_precision(dtype: str, reference: Reference, model: chiasm.Assistant) -> None:
    loaded = chiasm.load(str(reference("sam", 0)), dtype=dtype)
    for by in ((Point(30, 20),), (Point(30, 20), Box(10, 5, 60, 50))):
        wanted = model.segment(picture(), *by)
        # Scores that lie close may change places.
        for mine in loaded.segment(picture(), *by):
            assert max(float((mine.mask_HW == one.mask_HW).mean()) for one in wanted) > (0.9 if dtype == "bfloat16" else 0.999)


def test_outlines_are_the_references(reference: Reference, model: chiasm.Assistant) -> None:
    """Whole path: a point in the picture's own pixels through the reference's processor, model and postprocessing."""
    from PIL import Image
    from transformers import SamModel, SamProcessor

    folder = reference("sam", 0)
    theirs = SamModel.from_pretrained(folder).eval()
    by = SamProcessor(processor("sam", "Sam", size={"longest_edge": 64}, pad_size={"height": 64, "width": 64}))
    given = by(Image.fromarray(picture()), input_points=[[[30, 20]]], return_tensors="pt")
    sizes = given.pop("original_sizes"), given.pop("reshaped_input_sizes")
    given["input_points"] = given["input_points"].float()
    with torch.no_grad():
        out = theirs(**given)
    wanted = by.image_processor.post_process_masks(out.pred_masks, *sizes, pad_size={"height": 64, "width": 64})[0][0]
    order = out.iou_scores[0, 0].argsort(descending=True)
    got = model.segment(picture(), Point(30, 20))
    assert all(np.array_equal(mine.mask_HW, wanted[number].numpy()) for mine, number in zip(got, order, strict=True))


def test_what_it_cannot_be_asked_is_said(model: chiasm.Assistant, reference: Reference) -> None:
    with pytest.raises(BadPrompt, match="outlines by points and one box"):
        model.segment(picture(), "the left half")
    with pytest.raises(BadPrompt, match="0 hints"):
        model.segment(picture())
    with pytest.raises(BadPrompt, match="2 boxes"):
        model.segment(picture(), Box(0, 0, 5, 5), Box(5, 5, 9, 9))
    with pytest.raises(Unsupported):
        chiasm.load(str(reference("vit", 0)), dtype="float32").segment(picture(), Point(1, 1))


def test_a_tower_alone_and_another_square_are_refused(reference: Reference, tmp_path: Path) -> None:
    config = json.loads((reference("sam", 0) / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config["vision_config"]))
    with pytest.raises(BadCheckpoint, match="one tower of a model"):
        check(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    settings = {"size": {"longest_edge": 32}, "pad_size": {"height": 32, "width": 32}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    with pytest.raises(BadCheckpoint, match="size = 32 and the model sees 64 x 64"):
        check(tmp_path)
