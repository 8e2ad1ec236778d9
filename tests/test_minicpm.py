"""MiniCPM-V: slices by the recorded table, the text that numbers a picture and marks its slices, and its own template."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shrink import shrunk
from tiny_tokenizers import NAMED, byte_level
from tokenizers import AddedToken, Tokenizer

from chiasm.budget import picture_cost
from chiasm.geometry import Crop, Scale, Size, views
from chiasm.loading import planner_of
from chiasm.prompt.items import count
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.plan import Plan
from chiasm.prompt.planner import Planner
from chiasm.prompt.row import NO_SLOT
from chiasm.reference.cases import RECORDED
from chiasm.reference.parts import library
from chiasm.registry import families
from chiasm.spec import Causal, Numbered, Slices
from chiasm.weights.read import describe
from chiasm.weights.write import write_json, write_text

MARKS = ("<image>", "</image>", "<slice>", "</slice>", "<image_id>", "</image_id>")


def spec() -> Causal:
    model = families()["minicpm-v-2.6"].model
    assert isinstance(model, Causal) and model.sight is not None
    return model


@pytest.mark.parametrize("most", [9, 4])
def test_slices_are_those_of_the_recorded_table(most: int) -> None:
    model = spec()
    assert model.sight is not None
    sight = replace(model.sight, views=Slices(448, most))
    cases = json.loads((Path(__file__).parent / "data" / "tables" / "minicpmv26_slices.json").read_text())
    assert len(cases) == 60
    for case in cases:
        wanted, size = case[f"max{most}"], Size(case["w"], case["h"])
        whole, *slices = views(sight.views, sight.pixels, sight.encoder, size, 0)
        (scale,) = whole.strokes
        assert isinstance(scale, Scale) and [scale.width, scale.height] == wanted["source"]
        assert [[whole.grid.h, whole.grid.w]] == wanted["tgt_sizes"][:1]
        assert 1 + len(slices) == wanted["n_slices"]
        assert count(replace(model, sight=sight), size).visual == wanted["tokens"]
        if wanted["grid"] is None:
            continue
        columns, rows = wanted["grid"]
        canvas = slices[0].strokes[0]
        assert isinstance(canvas, Scale) and [canvas.width, canvas.height] == wanted["refine"]
        assert [[slices[0].grid.h, slices[0].grid.w]] == wanted["tgt_sizes"][1:]
        corners = [stroke for view in slices for stroke in view.strokes if isinstance(stroke, Crop)]
        assert len({corner.left for corner in corners}) == columns and len({corner.top for corner in corners}) == rows
        assert [(corner.top, corner.left) for corner in corners] == sorted((corner.top, corner.left) for corner in corners)


@pytest.fixture(scope="module")
def planner(tmp_path_factory: pytest.TempPathFactory) -> Planner:
    """A tiny spec over a tokenizer of bytes that knows the marks; its folder's own template knows no pictures."""
    folder = tmp_path_factory.mktemp("minicpm")
    backend = Tokenizer.from_str(byte_level().to_str())
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in MARKS])
    tokenizer = library().PreTrainedTokenizerFast(tokenizer_object=backend, **NAMED)
    tokenizer.save_pretrained(folder)
    write_text(folder / "chat_template.jinja", "{% for message in messages %}{{ message['content'] }}{% endfor %}")
    config = json.loads((RECORDED / "minicpmv26-0" / "config.json").read_text())
    write_json(folder / "config.json", config | {"vocab_size": len(tokenizer), "query_num": 3, "max_position_embeddings": 4096})
    described = describe(folder)
    assert isinstance(described.model, Causal) and described.model.sight is not None
    fusion = replace(described.model.sight.fusion, image=tokenizer.unk_token_id)
    model = replace(described.model, sight=replace(described.model.sight, fusion=fusion))
    return planner_of(replace(described, model=model))


def said(planner: Planner, row: int, plan: Plan) -> str:
    """A planned row as text."""
    return planner.tokenizer.backend.decode(plan.rows[row].ids_T.tolist(), skip_special_tokens=False)


SEEN = "<image_id>{}</image_id><image><unk><unk><unk></image>"
SLICE = "<slice><unk><unk><unk></slice>"


def test_pictures_are_numbered_in_their_conversation_and_slices_stand_in_rows(planner: Planner) -> None:
    first = [Message("user", (Image(0), Image(1), Text("which?"))), Message("assistant", (Text("one"),))]
    second = [Message("user", (Image(0), Text("what?")))]
    plan = planner.plan([[*first, *second], second], [Size(28, 28), Size(40, 75), Size(20, 20), Size(60, 50)])
    assert said(planner, 0, plan) == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        f"{SEEN.format(0)}\n{SEEN.format(1)}{SLICE}\n{SLICE}\n{SLICE}\nwhich?<|im_end|>\n<|im_start|>assistant\none<|im_end|>\n"
        f"<|im_start|>user\n{SEEN.format(2)}\nwhat?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert f"user\n{SEEN.format(0)}{SLICE}{SLICE}\n{SLICE}{SLICE}\nwhat?" in said(planner, 1, plan)


def test_the_recorded_text_is_written() -> None:
    """As the reference's processor wrote it for its picture."""
    from chiasm.prompt.items import lay
    from chiasm.prompt.marks import written

    described = describe(RECORDED / "minicpmv26-0")
    assert isinstance(described.model, Causal) and described.model.sight is not None
    (text,) = json.loads((RECORDED / "minicpmv26-0" / "meta.json").read_text())["placeholders"][0]
    _, laid, _ = lay(described.model, [Size(75, 40)])
    assert written(described.model.sight.marks, "<unk>", laid.grids, laid.of_views(), 0) == text


def test_marks_are_counted_and_lie_where_their_views_do(planner: Planner) -> None:
    known = {planner.tokenizer.added[mark] for mark in MARKS}
    for size in (Size(28, 28), Size(75, 40), Size(50, 60)):
        plan = planner.plan([[Message("user", (Text("a"), Image(0), Text("b")))]], [size])
        (row,), place_T4, costs = plan.rows, plan.places(0), count(planner.spec, size)
        marks = np.isin(row.ids_T, list(known))
        assert (costs.visual, costs.marks) == (int((row.slots_T != NO_SLOT).sum()), int(marks.sum()))
        assert planner.spec.sight is not None
        opens = np.flatnonzero(row.ids_T == planner.tokenizer.added["<image_id>"])[0]
        last = np.flatnonzero(marks)[-1]
        assert picture_cost(planner.spec.sight, size).tokens == last - opens + 1
        views_T = place_T4[:, 0]
        for token in np.flatnonzero(marks):
            named = planner.tokenizer.added["<image_id>"], planner.tokenizer.added["</image_id>"]
            beside = views_T[token + 1] if row.slots_T[token + 1] != NO_SLOT else views_T[token - 1]
            assert views_T[token] == (-1 if row.ids_T[token] in named else beside)


def test_numbers_can_be_left_out(tmp_path: Path) -> None:
    config = json.loads((RECORDED / "minicpmv26-0" / "config.json").read_text())
    write_json(tmp_path / "config.json", config | {"use_image_id": False})
    model = describe(tmp_path).model
    assert isinstance(model, Causal) and model.sight is not None
    assert isinstance(model.sight.marks, Numbered) and model.sight.marks.number is None
    assert count(model, Size(28, 28)).marks == 2


def test_a_shrunk_one_cuts_slices_too() -> None:
    model = shrunk(families()["minicpm-v-2.6"].model)
    assert isinstance(model, Causal) and count(model, Size(90, 85)).visual > count(model, Size(10, 10)).visual
