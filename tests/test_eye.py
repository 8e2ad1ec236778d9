"""The eye and its schooling: shapes, places of targets, one lesson learnt, and a run that goes on where it stopped."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from chiasm.errors import UserError
from chiasm.render import Assets, Letter, Sample, Thing, Truth, sample
from chiasm.spec import Block, ConvViT, Norm
from chiasm.train import eye as stage
from chiasm.train.eye_heads import COLOUR_NAMES, LETTER_OF, THINGS, Heads, scaled, spread
from chiasm.train.eye_lessons import lesson_of, letter_cells, make_lesson, to_lesson
from chiasm.vision.conv import ConvTransformer

BARE = Assets((), (), ())
TINY = ConvViT((8, 16, 24), (1, 1), Block(32, 2, 64, 2, 16, Norm("layer", 1e-5), "relu"), depth=1, side=7)


def blank(truth: Truth, size: int = 128) -> Sample:
    return Sample(np.zeros((size, size, 3), np.uint8), "page", "", (), truth)


def test_one_token_stands_for_32_pixels_and_the_default_is_small_enough_to_ship() -> None:
    eye = ConvTransformer(TINY)
    assert eye.read(eye.local(torch.zeros(2, 3, 224, 224))).shape == (2, 49, 32)
    assert eye.read(eye.local(torch.zeros(2, 3, 128, 96)), (1, 2)).shape == (2, 12, 32)
    with torch.device("meta"):
        values = sum(p.numel() for p in ConvTransformer(stage.EYE).parameters())
    assert 5e6 < values < 15e6


def test_tokens_are_laid_over_their_own_cells() -> None:
    side, rows, columns, classes = 3, 2, 4, 5
    y, x = torch.meshgrid(torch.arange(side * rows), torch.arange(side * columns), indexing="ij")
    values = torch.zeros(1, side * side, rows * columns * classes)
    for yy in range(side * rows):
        for xx in range(side * columns):
            token, cell = (yy // rows) * side + xx // columns, (yy % rows) * columns + xx % columns
            values[0, token, cell * classes] = yy * 100 + xx
    assert torch.equal(spread(values, rows, columns, classes)[0, :, :, 0], (y * 100 + x).float())


def test_every_letter_owns_a_cell_even_a_thin_one() -> None:
    seven, one, outside = Letter("7", (40, 20, 62, 52)), Letter("1", (64, 30, 66, 36)), Letter("x", (-30, 0, -10, 20))
    truth = Truth(letters=(seven, one, outside))
    cells = letter_cells(blank(truth))
    assert cells.shape == (16, 32)
    assert cells[4, 12] == LETTER_OF["7"] and cells[4, 10] == 0
    assert (cells == LETTER_OF["1"]).sum() == 1 and cells[4, 16] == LETTER_OF["1"]
    assert not (cells == LETTER_OF["x"]).any()


def test_things_lie_where_their_centres_are() -> None:
    truth = Truth(things=(Thing("star", "red", (40, 8, 60, 28)), Thing("star", "", (96, 96, 128, 128))))
    lesson = lesson_of([blank(truth)], random.Random(0), {"star": 5})
    assert lesson["things_BYX"][0, 1, 3] == 1 + THINGS.index("star")
    assert lesson["colours_BYX"][0, 1, 3] == COLOUR_NAMES.index("red")
    assert lesson["things_BYX"][0, 7, 7] == 1 + THINGS.index("emoji")
    assert lesson["emoji_N3"].tolist() == [[0, 5, 0]] and (lesson["colours_BYX"] >= 0).sum() == 1


def test_an_emoji_is_told_from_the_tokens_beneath_it() -> None:
    heads = Heads(TINY, 3)
    tokens = torch.randn(1, 16, 32)
    which, box = torch.tensor([[0, 0, 0]]), torch.tensor([[32.0, 0.0, 64.0, 32.0]])
    before = heads.concept_logits(tokens, which, box)
    tokens[:, [0, 2, 5]] = 9
    assert torch.equal(before, heads.concept_logits(tokens, which, box))
    tokens[:, 1] = -tokens[:, 1]
    assert not torch.equal(before, heads.concept_logits(tokens, which, box))


def test_a_lesson_depends_on_its_arguments_alone() -> None:
    first, again, other = (make_lesson(step, 3, 64, 4) for step in (7, 7, 8))
    assert all(np.array_equal(first[k], again[k]) for k in first)
    assert not np.array_equal(first["pixels_BHWC"], other["pixels_BHWC"])


def test_a_lesson_repeated_is_learnt() -> None:
    config = stage.Schooling(eye=TINY, rate_rest=3e-3, first_letters=0)
    student = stage.Student(config, 4)
    made = [sample(i, 0, "train", "number" if i % 2 else "mixed shapes", 64, BARE) for i in range(8)]
    lesson = to_lesson(lesson_of(made, random.Random(0), {}))
    first = student.learn(lesson, 1.0, (0, 0))
    for _ in range(60):
        last = student.learn(lesson, 1.0, (0, 0))
    assert last["letters"] < 0.5 * first["letters"] and last["reader"] < 0.5 * first["reader"]
    assert last["colours"] < 0.7 * first["colours"]


def test_a_student_goes_on_exactly_where_it_was_saved(tmp_path: Path) -> None:
    config = stage.Schooling(eye=TINY, first_letters=1)
    lesson = to_lesson(make_lesson(0, 0, 64, 4))
    student = stage.Student(config, 4)
    for _ in range(2):
        torch.manual_seed(1)
        student.learn(lesson, 1.0, (0, 0))
    student.save(tmp_path)
    again = stage.Student(config, 4)
    again.restore(tmp_path)
    assert again.step == 2
    torch.manual_seed(1)
    expected = student.learn(lesson, 1.0, (0, 0))
    torch.manual_seed(1)
    assert again.learn(lesson, 1.0, (0, 0)) == expected
    student.settle()
    again.settle()
    assert all(torch.equal(a, b) for a, b in zip(student.masters.masters.values(), again.masters.masters.values(), strict=True))
    pixels = scaled(lesson.pixels_BHWC)
    again.restore(tmp_path)
    fresh = ConvTransformer(TINY).to(torch.bfloat16)
    fresh.load_state_dict(load_file(tmp_path / "eye.safetensors"))
    assert torch.equal(fresh.read(fresh.local(pixels)), again.eye.read(again.eye.local(pixels)))
    assert not list(tmp_path.glob("*.part"))


def test_a_run_logs_resumes_and_refuses_other_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIASM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(stage, "fetch", lambda: None)
    config = stage.Schooling(eye=TINY, cycle=((64, 4),), letters=(64, 4), first_letters=2, dense_until=3, dense=(64, 4))
    out = tmp_path / "run"
    stage.school(config, out, seconds=1.0, exam_pictures=2)
    first = json.loads((out / "state.json").read_text())
    stage.school(config, out, seconds=first["seconds"] + 1.0, exam_pictures=2)
    assert json.loads((out / "state.json").read_text())["step"] > first["step"] > 0
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert "exam" in lines[-1] and all(0 <= v <= 1 for v in lines[-1]["exam"].values())
    with pytest.raises(UserError, match="other settings"):
        stage.school(stage.Schooling(eye=TINY, rate=1.0, cycle=((64, 4),)), out, seconds=1.0)
