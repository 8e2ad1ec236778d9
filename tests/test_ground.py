"""The dialects in which models speak of places: recorded tables, and ways there and back."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from shrink import shrunk
from tiny_tokenizers import NAMED, byte_level
from tokenizers import AddedToken, Tokenizer

from chiasm.generate import engine
from chiasm.ground import corners, locations
from chiasm.ground.dialects import boxes_of
from chiasm.ground.locations import Located, pasted, pixels
from chiasm.heads.codes import MaskDecoder
from chiasm.local import LocalAssistant
from chiasm.model import assemble
from chiasm.place import Box
from chiasm.prompt.planner import Planner
from chiasm.reference.parts import library
from chiasm.registry import families
from chiasm.spec import BoxDialect, Causal
from chiasm.weights.read import describe, load_model

DATA = Path(__file__).parent / "data"


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


def test_corners_as_fractions() -> None:
    (one,) = corners.read("<ref>it</ref><box>(100,200),(300,400)</box>")
    assert one.box == Box(0.1, 0.2, 0.3, 0.4, "fraction")
    assert corners.write(one.phrase, [one.corners]) == "<ref>it</ref><box>(100,200),(300,400)</box>"


@pytest.mark.parametrize(
    ("dialect", "text", "box"),
    [
        ("locations", "<loc0000><loc1023><loc1023><loc0000> cat", Box(200.0, 0.0, 0.0, 100.0)),
        ("corners", "<ref>cat</ref><box>(100,200),(300,400)</box>", Box(20.0, 20.0, 60.0, 40.0)),
        ("cells", "<phrase>cat</phrase><object><patch_index_0000><patch_index_0001></object>", Box(0.0, 0.0, 12.5, 3.125)),
    ],
)
def test_boxes_of_every_dialect_are_pixels(dialect: BoxDialect, text: str, box: Box) -> None:
    (found,) = boxes_of(text, dialect, 200, 100)
    assert found.frame == "source"
    assert (found.x0, found.y0, found.x1, found.y1) == pytest.approx((box.x0, box.y0, box.x1, box.y1))
    assert boxes_of(text[:-12], dialect, 200, 100) == () or dialect == "locations"
    assert boxes_of("no place is named", dialect, 200, 100) == ()


def test_an_answer_about_one_picture_brings_its_boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Tokenizer.from_str(byte_level().to_str())
    backend.add_special_tokens([AddedToken("<image>", special=True, normalized=False)])
    backend.add_tokens([f"<loc{number:04d}>" for number in range(1024)])
    tokenizer = library().PreTrainedTokenizerFast(tokenizer_object=backend, **NAMED)
    tokenizer.save_pretrained(tmp_path)
    spec = shrunk(families()["paligemma"].model)
    assert isinstance(spec, Causal) and spec.sight is not None
    fusion = replace(spec.sight.fusion, image=tokenizer.convert_tokens_to_ids("<image>"))
    spec = replace(spec, sight=replace(spec.sight, fusion=fusion), decoder=replace(spec.decoder, vocab=len(tokenizer)))
    planner = Planner.from_folder(spec, tmp_path, families()["paligemma"].chat)
    model = LocalAssistant("tiny", assemble(spec).eval(), planner)
    ids = tokenizer("<loc0000><loc0000><loc1023><loc0512> cat", add_special_tokens=False)["input_ids"]

    def spoken(*_: object, limits: list[int], **__: object) -> Iterator[engine.Event]:
        for row in range(len(limits)):
            yield from (engine.Token(row, token, 0.0) for token in ids)
            yield engine.End(row, "stop")

    monkeypatch.setattr(engine, "generate", spoken)
    shown = np.zeros((40, 60, 3), np.uint8)
    answer = model.ask("detect cat", shown)
    assert answer.text.endswith(" cat") and answer.usage.generated_tokens == len(ids)
    (box,) = answer.boxes
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx((0, 0, 60 * 512 / 1023, 40))
    assert model.ask("detect cat", shown, shown).boxes == () == model.ask("detect cat").boxes
