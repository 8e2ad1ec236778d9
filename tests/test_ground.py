"""The dialects in which models speak of places: recorded tables, and ways there and back."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from chiasm.errors import BadPrompt
from chiasm.ground import corners, locations
from chiasm.ground.locations import Located, pasted, pixels
from chiasm.heads.codes import MaskDecoder
from chiasm.place import Box
from chiasm.weights.read import describe, load_model

DATA = Path(__file__).parent / "data"


def test_locations_round_as_they_were_recorded() -> None:
    cases = json.loads((DATA / "tables" / "paligemma_loc.json").read_text())
    assert len(cases) == 60
    for case in cases:
        y0, x0, y1, x1 = case["box_yxyx"]
        assert list(locations.locations(Box(x0, y0, x1, y1, "fraction"))) == case["locs"]


def test_an_answer_of_locations_is_read_and_written() -> None:
    text = "<loc0000><loc0100><loc1023><loc0200> a red car ; <loc0001><loc0002><loc0003><loc0004>" + "<seg007>" * 16 + " dog"
    car, dog = locations.read(text)
    assert (car.phrase, car.codes, dog.phrase, dog.codes) == ("a red car", (), "dog", (7,) * 16)
    assert car.box == Box(100 / 1023, 0.0, 200 / 1023, 1.0, "fraction")
    assert f"{locations.write(car)} ; {locations.write(dog)}" == text
    assert locations.read(text, steps=1024)[0].box.y1 == 1023 / 1024
    assert locations.read("there is no <loc0001> here") == ()
    assert locations.locations(Box(-1.0, 0.5, 2.0, 0.5, "fraction")) == (512, 0, 512, 1023)


def test_a_mask_is_drawn_from_codes_and_laid_into_its_box() -> None:
    folder = DATA / "golden" / "paligemma_seg"
    model = load_model(describe(folder), torch.float32)
    assert isinstance(model, MaskDecoder)
    meta, expected = json.loads((folder / "meta.json").read_text()), load_file(folder / "expected.safetensors")
    for number, case in enumerate(meta["cases"]):
        (said,) = locations.read(case["text"])
        inside = pixels(said.box, case["w"], case["h"])
        top, left, bottom, right = case["box_px_yxyx"]
        assert inside == ((left, top, right, bottom) if case["valid"] else None)
        with torch.inference_mode():
            scores_HW = model(torch.tensor([said.codes]))[0].numpy()
        mask_HW = pasted(scores_HW, said.box, case["w"], case["h"])
        assert np.array_equal(mask_HW, expected[f"pasted.{number}"].numpy())
    assert pasted(np.ones((64, 64), np.float32), Located("", Box(0.5, 0.0, 1.5, 1.0, "fraction")).box, 8, 4).sum() == 16


KINDS = {"image": "img"}


def test_corners_are_read_and_written_as_they_were_recorded() -> None:
    for case in json.loads((DATA / "tables" / "qwenvl_boxes.json").read_text()):
        if "from_list_format" in case:
            items = [item for item in case["from_list_format"] if "box" in item]
            written = [corners.write(item.get("ref", ""), [tuple(box) for box in item["box"]]) for item in items]
            assert all(one in case["text"] for one in written)
            continue
        if "list_format" in case:
            wanted = [(KINDS.get(kind, kind), inside) for item in case["list_format"] for kind, inside in item.items()]
            assert [(piece.kind, piece.inside) for piece in corners.pieces(case["text"])] == wanted
        if "error" in case:
            with pytest.raises(BadPrompt):
                corners.read(case["text"])
            continue
        found = corners.read(case["text"])
        assert [{"box": list(one.corners)} | ({"ref": one.phrase} if one.phrase else {}) for one in found] == case["boxes"]
        assert [list(one.pixels(640, 480)) for one in found] == case["pixels_640x480"]


def test_corners_as_fractions() -> None:
    (one,) = corners.read("<ref>it</ref><box>(100,200),(300,400)</box>")
    assert one.box == Box(0.1, 0.2, 0.3, 0.4, "fraction")
    assert corners.write(one.phrase, [one.corners]) == "<ref>it</ref><box>(100,200),(300,400)</box>"
