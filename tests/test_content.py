"""Budgets by content: measured on rendered pictures, bounded by the family's own rule, the same in plan, count and model."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from shrink import tiny
from sizes import SIZES
from tiny_folder import tiny_folder, tiny_spec

import chiasm
from chiasm.assistant import Request
from chiasm.cli import main
from chiasm.connect.compressed import budgeted
from chiasm.errors import BadPicture, UserError
from chiasm.geometry import Size, views
from chiasm.model import Causal, Sight
from chiasm.pixels.content import LEAST, content, density
from chiasm.pixels.views import look, packed
from chiasm.prompt.items import count, lay
from chiasm.prompt.messages import question
from chiasm.registry import families
from chiasm.render import Assets, sample
from chiasm.spec import Bare, Budget, CoverTiles, DynamicTiles, JoinTiles, Native, Pixels, Resize, Views
from chiasm.spec import Causal as CausalSpec

PLAIN = Assets((), (), ())
SHARES = (LEAST, 0.2, 0.3, 0.5, 0.7, 0.99)
NARROWED = (
    "llava-next",
    "llava-onevision",
    "internvl-2.5",
    "idefics3",
    "smolvlm",
    "deepseek-vl2",
    "phi-4-multimodal",
    "qwen2-vl",
    "pixtral",
)


def drawn(kind: str, number: int = 0) -> np.ndarray:
    return sample(number, 0, "train", kind, material=PLAIN).picture


def blank(side: int = 224) -> np.ndarray:
    return np.full((side, side, 3), 235, np.uint8)


def spec(family: str) -> CausalSpec:
    model = families()[family].model
    assert isinstance(model, CausalSpec)
    return model


# --- what is measured ---------------------------------------------------------------------------------------------------------


def test_a_shape_is_given_less_than_a_table_and_a_page_all() -> None:
    by_kind = {kind: [content(drawn(kind, number)) for number in range(15)] for kind in ("one shape", "table", "page")}
    shape, table, page = (float(np.median(shares)) for shares in by_kind.values())
    assert LEAST == content(blank()) <= shape < 0.35 < table < page == 1.0


def test_finer_print_is_denser_up_to_the_whole() -> None:
    """The same page in larger and larger print, on a canvas of one size."""
    pages = [np.kron(drawn("page", 3)[: 224 // by, : 224 // by], np.ones((by, by, 1), np.uint8)) for by in (1, 2, 4, 8)]
    measured = [density(page) for page in pages]
    assert measured == sorted(measured, reverse=True) and all(LEAST <= content(page) <= 1 for page in pages)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 900, 3), (3, 2, 3), (1201, 801, 3)])
def test_every_size_has_a_density(shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert 0 <= density(noise) < 256 and density(np.zeros(shape, np.uint8)) == 0


# --- what is given ------------------------------------------------------------------------------------------------------------


def cells(spec: CausalSpec, size: Size) -> int:
    return sum(grid.cells for grid in lay(spec, [size])[0])


@pytest.mark.parametrize("family", NARROWED)
def test_a_larger_share_never_gives_less_nor_more_than_the_familys_own(family: str) -> None:
    model, fewer = spec(family), 0
    capped = any(isinstance(step, JoinTiles) and step.most for step in model.sight.connector)  # type: ignore[union-attr]
    for width, height in SIZES[::3]:
        try:
            own = cells(model, Size(width, height))
        except BadPicture:
            continue
        sizes = [Size(width, height, share=share) for share in (*SHARES, 1.0)]
        given, tokens = [cells(model, size) for size in sizes], [count(model, size).visual for size in sizes]
        assert given == sorted(given) and given[-1] == own, (width, height)
        # What OneVision shrinks to "about nine tiles" ends a little below what nine tiles have.
        assert tokens == sorted(tokens) or (len(lay(model, sizes[-1:])[0]) > 10 and capped), (width, height)
        fewer += given[0] < own
    assert fewer > 10


def test_shares_are_of_what_the_picture_itself_is_given() -> None:
    own, half = ([Size(1344, 1344), Size(1344, 1344, share=0.5)][n] for n in range(2))
    tiles = {name: [len(lay(spec(name), [size])[0]) for size in (own, half)] for name in ("internvl-2.5", "llava-next")}
    assert tiles == {"internvl-2.5": [10, 5], "llava-next": [5, 3]}
    assert [cells(spec("qwen2-vl"), size) for size in (own, half)] == [96**2, 66**2]


@pytest.mark.parametrize(
    "rule",
    [Native(28, 3136, 12845056), CoverTiles(448, 36), Budget(16, 256), DynamicTiles(448, 12, 2)],
    ids=lambda rule: type(rule).__name__,
)
def test_the_least_is_the_rules_own_and_nothing_is_refused_for_its_share(rule: Views) -> None:
    eye = spec("qwen2-vl").sight.encoder  # type: ignore[union-attr]
    for width, height in [*SIZES[::4], (4000, 40), (40, 4000), (60, 56), (57, 90)]:
        try:
            own = views(rule, Pixels(), eye, Size(width, height), 0)
        except BadPicture:
            continue
        for share in (0.001, LEAST):
            made = views(rule, Pixels(), eye, Size(width, height, share=share), 0)
            strokes = made[0].strokes[-1]
            assert len(made) <= len(own)
            if isinstance(rule, Native):
                assert rule.least <= strokes.height * strokes.width <= own[0].strokes[-1].height * own[0].strokes[-1].width
            if isinstance(rule, DynamicTiles):
                assert len(made) >= rule.least


# --- plan, count and what the encoder puts out -------------------------------------------------------------------------------


@pytest.mark.parametrize("family", NARROWED)
def test_counts_are_what_is_planned_and_what_the_encoder_puts_out(family: str) -> None:
    model = tiny(spec(family)).requires_grad_(False)
    assert isinstance(model, Causal) and model.spec.sight is not None
    left = []
    for pixels in (blank(), drawn("one shape", 1), drawn("table", 1), drawn("page")):
        size = Size(224, 224, share=content(pixels))
        grids, laid, _ = lay(model.spec, [size])
        made = look(model.spec.sight, pixels, 0, share=size.share)
        seen = model.see(Sight(torch.from_numpy(packed(made)), tuple(view.grid for view, _ in made), ((224, 224),)))
        assert tuple(view.grid for view, _ in made) == grids
        assert len(seen.tokens_VD) == len(laid) == count(model.spec, size).visual
        assert (seen.laid.place_V4 == laid.place_V4).all()
        left.append((len(laid), cells(model.spec, size)))
    assert left == sorted(left) and left[0][1] < left[-1][1] == cells(model.spec, Size(224, 224))


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("content") / "tiled")


@pytest.fixture(scope="module")
def square(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that is shown every picture alike."""
    torch.manual_seed(0)
    whole = tiny_spec()
    assert whole.sight is not None
    sight = replace(whole.sight, views=Resize(56, 56, "squash"), marks=Bare())
    return tiny_folder(tmp_path_factory.mktemp("content") / "square", modules=Causal(replace(whole, sight=sight)))


@pytest.mark.parametrize("folder", ["tiled", "square"])
def test_an_answer_costs_what_its_plan_said_and_a_blank_picture_less_than_a_page(
    folder: str, request: pytest.FixtureRequest
) -> None:
    path = str(request.getfixturevalue(folder))
    whole, told = (chiasm.load(path, dtype="float32", budget=budget) for budget in (None, "content"))
    costs = []
    for pixels in (blank(), drawn("one shape", 1), drawn("page")):
        asked = Request((question("What is this?", [pixels, drawn("table", 1)]),), max_tokens=2)
        planned = int(told.plan([asked]).rows[0].slots_T.max()) + 1
        answer = told.ask("What is this?", pixels, drawn("table", 1), max_tokens=2)
        assert answer.usage.image_tokens == planned
        costs.append(planned)
    assert costs == sorted(costs) and costs[0] < costs[-1]
    page = drawn("page")
    first, second = (one.ask("What is this?", page, max_tokens=4) for one in (whole, told))
    assert first.text == second.text and first.usage == second.usage


def test_pictures_that_are_shown_alike_are_left_their_share_of_tokens(square: Path) -> None:
    told, pixels = chiasm.load(str(square), dtype="float32", budget="content"), drawn("one shape", 1)
    answer = told.ask("What is this?", pixels, max_tokens=1)
    assert answer.usage.image_tokens == math.ceil(16 * content(pixels)) < 16


def test_what_heeds_no_budget_says_so(tiled: Path) -> None:
    assert budgeted(spec("qwen2-vl"), "content") == spec("qwen2-vl")
    for family, said in (("smollm2", "sees nothing"), ("llama-3.2-vision", "meet the text by Cross")):
        with pytest.raises(UserError, match=said):
            budgeted(spec(family), "content")
    with pytest.raises(UserError, match="no budget is called 'contents': did you mean 'content'"):
        chiasm.load(str(tiled), budget="contents")
    with pytest.raises(UserError, match="budget = 'content' is for a model of this machine"):
        chiasm.load("openai:some", budget="content")


# --- the command line ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def page_and_shape(tmp_path: Path) -> tuple[str, str]:
    names = tmp_path / "page.png", tmp_path / "shape.png"
    for name, pixels in zip(names, (drawn("page"), drawn("one shape", 1)), strict=True):
        Image.fromarray(pixels).save(name)
    return str(names[0]), str(names[1])


def said(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(words) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def test_plan_and_ask_count_alike_with_either(
    square: Path, tiled: Path, page_and_shape: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    for model, how in product((str(tiled), str(square)), (("--budget", "content"), ("--compress", "merge-alike:2"))):
        if model == str(tiled) and how[0] == "--compress":
            assert main(["plan", *page_and_shape, "--model", model, *how]) == 2
            assert "this model's prompt marks rows or tiles of cells" in capsys.readouterr().err
            continue
        told = said(capsys, "plan", *page_and_shape, "--model", model, *how, "--text", "What?", "--json")
        costs = [picture["visual_tokens"] for picture in told["pictures"]]
        whole = said(capsys, "plan", *page_and_shape, "--model", model, "--text", "What?", "--json")
        kept = [picture["visual_tokens"] for picture in whole["pictures"]]
        assert sum(costs) < sum(kept) and (how[0] == "--compress" or (costs[0] == kept[0] and costs[1] < kept[1]))
        answer = said(capsys, "ask", *page_and_shape, "What?", "--model", model, *how, "--max-tokens", "1", "--json")
        assert answer["usage"]["image_tokens"] == sum(costs) and how[1] in answer["model"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("plan", "--size", "100x100", "--budget", "content"), "--size 100x100 has nothing"),
        (("plan", "--size", "100x100", "--budget", "contend"), "did you mean 'content'?"),
        (("plan", "--size", "100x100", "--model", "llava-1.5", "--compress", "merge-alik:4"), "near it are merge-alike:N"),
        (("plan", "--size", "100x100", "--model", "llava-1.5", "--compress", "squash"), "known are pool:N"),
        (("plan", "--size", "100x100", "--patch", "14", "--compress", "pool:2"), "a plain rule, which knows no model, text"),
        (("plan", "--model", "smollm2", "--budget", "content"), "it sees nothing"),
        (("ask", "What?", "--compress", "prun:2"), "near it are prune:N"),
        (("ask", "What?", "--budget", "contents"), "did you mean 'content'?"),
    ],
)
def test_mistakes_are_one_sentence(words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert told in error and "Traceback" not in error and len(error.strip().splitlines()) == 1


def test_runs_of_fewer_tokens_say_so(square: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(drawn("page")).save(tmp_path / "page.png")
    row = {"id": "1", "image": "page.png", "question": "What?", "answer": "open"}
    (tmp_path / "mine.jsonl").write_text(json.dumps(row))
    words = ("eval", str(square), "--data", str(tmp_path / "mine.jsonl"), "--output", str(tmp_path / "runs"), "--json")
    said(capsys, *words, "--no-ablations")
    said(capsys, *words, "--no-ablations", "--compress", "merge-alike:4", "--budget", "content")
    found = [json.loads(file.read_text()) for file in sorted((tmp_path / "runs").rglob("manifest.json"))]
    assert [(one.get("compress"), one.get("budget")) for one in found] == [(None, None), ("merge-alike:4", "content")]
