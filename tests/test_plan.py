"""The plan: what it refuses, where it puts things, and ids that are the reference's own."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Reference
from reference_processors import BUILDERS, TOKENIZERS, Pair, pair

from chiasm.errors import BadPicture, BadPrompt, Overflow
from chiasm.geometry import Size
from chiasm.place import Box, Grid
from chiasm.prompt.items import Clip, Count, count
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.plan import Plan
from chiasm.prompt.row import NO_SLOT
from chiasm.spec import Causal
from chiasm.weights.read import describe

IMAGE, VIDEO = 91, 92


@pytest.fixture
def llava(reference: Reference) -> Causal:
    return model_of(reference, "llava")


@pytest.fixture
def qwen(reference: Reference) -> Causal:
    return model_of(reference, "qwen2_vl")


def model_of(reference: Reference, name: str, variant: int = 0) -> Causal:
    model = describe(reference(name, variant)).model
    assert isinstance(model, Causal)
    return model


# --- from ids ---------------------------------------------------------------------------------------------------------------


def test_pictures_fill_placeholders_in_reading_order(llava: Causal) -> None:
    rows = [[1, *[IMAGE] * 50, 7], [8], [*[IMAGE] * 25]]
    plan = Plan.from_ids(llava, rows, [Size(9, 9), Size(70, 20), Size(33, 40)])
    assert [row.slots_T[row.slots_T != NO_SLOT].tolist() for row in plan.rows] == [list(range(50)), [], list(range(50, 75))]
    assert plan.visual_tokens() == [25, 25, 25]
    batch = plan.batch()
    assert batch.ids_BT.shape == (3, 52)
    assert batch.valid_BT.sum(1).tolist() == [52, 1, 25]
    assert bool(batch.valid_BT[:, -1].all()) and batch.slot_BT[2, -1] == 74
    assert batch.next_B.tolist() == [52, 1, 25]


@pytest.mark.parametrize(
    ("rows", "sizes", "message"),
    [
        (
            [[1], [IMAGE] * 24],
            1,
            r"row 1 has 24 image placeholders and its pictures 25 visual tokens: cat\.png \(10 x 20\)",
        ),
        ([[IMAGE] * 30, [IMAGE] * 20], 2, r"row 0 has 30 .* 50 visual tokens: cat\.png .* has 25; dog\.png .* has 25"),
        ([[IMAGE] * 25, [IMAGE] * 25], 1, r"row 1 has 25 .* 0 visual tokens: no picture is left for it"),
        ([[IMAGE] * 25], 2, r"dog\.png \(10 x 20\) has no placeholder in any row: 1 of 2 items are left"),
        ([[5, 6]], 1, r"cat\.png .* has no placeholder in any row"),
    ],
)
def test_disagreements_name_the_row_the_counts_and_the_files(
    llava: Causal, rows: list[list[int]], sizes: int, message: str
) -> None:
    with pytest.raises(BadPrompt, match=message):
        Plan.from_ids(llava, rows, [Size(10, 20)] * sizes, names=["cat.png", "dog.png"][:sizes])


def test_clips_and_pictures_keep_to_their_own_placeholders(qwen: Causal) -> None:
    clip = Clip(Grid(0, 3, 4, 6, Box(0, 0, 6, 4), (0.0, 1.0, 2.0)))
    visual = count(qwen, Size(40, 30)).visual
    row = [1, *[VIDEO] * 18, 5, *[IMAGE] * visual, 6]
    plan = Plan.from_ids(qwen, [row], [Size(40, 30), clip])
    slots = plan.rows[0].slots_T
    assert slots[1:19].tolist() == list(range(visual, visual + 18))
    assert slots[20 : 20 + visual].tolist() == list(range(visual))
    with pytest.raises(BadPrompt, match=r"clip of 3 x 4 x 6.* no placeholder"):
        Plan.from_ids(qwen, [[1, *[IMAGE] * visual]], [Size(40, 30), clip])


def test_positions_of_three_axes(qwen: Causal) -> None:
    visual = count(qwen, Size(36, 24)).visual
    plan = Plan.from_ids(qwen, [[1, 2, *[IMAGE] * visual, 3, 4]], [Size(36, 24)])
    (row,) = plan.rows
    grid = plan.laid.grids[0]
    assert (grid.h, grid.w) == (2, 3) and visual == 6
    assert row.where_AT[:, :2].tolist() == [[0, 1]] * 3
    assert row.where_AT[:, 2:8].tolist() == [[2] * 6, [2, 2, 2, 3, 3, 3], [2, 3, 4, 2, 3, 4]]
    assert row.where_AT[:, 8:].tolist() == [[5, 6]] * 3
    assert row.next == 7


def test_a_row_beyond_the_context_says_by_how_much(llava: Causal) -> None:
    with pytest.raises(Overflow, match=r"row 1 needs 600 tokens \(25 visual, 575 of text, 0 to generate\), 88 more than the "):
        Plan.from_ids(llava, [[1], [*[IMAGE] * 25, *[5] * 575]], [Size(9, 9)])
    plan = Plan.from_ids(llava, [[5] * 500])
    plan.fits(12)
    with pytest.raises(Overflow, match=r"13 to generate\), 1 more than the context of 512.*max_tokens"):
        plan.fits(13)


def test_an_id_beyond_the_vocabulary_is_another_tokenizers(llava: Causal) -> None:
    for strange in (99, -1):
        with pytest.raises(BadPrompt, match=rf"row 1 has the id {strange}, .* from 0 to 98"):
            Plan.from_ids(llava, [[5], [6, strange]])


def test_a_model_of_text_takes_no_pictures(reference: Reference) -> None:
    with pytest.raises(BadPrompt, match="1 picture for a model of text alone"):
        Plan.from_ids(model_of(reference, "text_llama"), [[5]], [Size(8, 8)])


def test_a_refused_size_is_refused_before_anything_is_planned(qwen: Causal) -> None:
    with pytest.raises(BadPicture, match=r"1 x 4000 pixels has a ratio of edges above 200"):
        Plan.from_ids(qwen, [[5]], [Size(1, 4000)])


def test_supervision_stays_beside_its_ids(llava: Causal) -> None:
    plan = Plan.from_ids(llava, [[5, 6, 7], [8, 9]], supervise=[[False, True, True], [False, True]])
    watched = plan.batch().supervise_BT
    assert watched.tolist() == [[False, True, True], [False, False, True]]
    assert watched.dtype == torch.bool


# --- the text side ----------------------------------------------------------------------------------------------------------


Pairs = Callable[[str, str], Pair]
MARKS = ("<row_", "<global-img>", "<fake_token", "<img>", "</img>", "[IMG_BREAK]", "[IMG_END]")


@pytest.fixture
def pairs(reference: Reference, tmp_path: Path) -> Pairs:
    return lambda name, tokens: pair(name, tokens, tmp_path / f"{name}-{tokens}", reference)


def sizes_of(seed: int, number: int) -> list[tuple[int, int]]:
    draw = random.Random(seed)
    return [(int(8 * 2 ** draw.uniform(0, 4.5)), int(8 * 2 ** draw.uniform(0, 4.5))) for _ in range(number)]


def blank(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


@pytest.mark.parametrize("tokens", TOKENIZERS)
@pytest.mark.parametrize("name", BUILDERS)
def test_ids_are_the_processors_own_over_fifty_sizes(name: str, tokens: str, pairs: Pairs) -> None:
    one = pairs(name, tokens)
    for width, height in sizes_of(1, 50):
        theirs = one.theirs(f"user : {one.sign} What is in this picture?", [blank(width, height)])
        message = Message("user", (Text("user : "), Image(0), Text(" What is in this picture?")))
        plan = one.planner.plan([[message]], [Size(width, height)])
        assert plan.rows[0].ids_T.tolist() == theirs, (width, height)
        marks = count(one.planner.spec, Size(width, height))
        assert (plan.rows[0].slots_T != NO_SLOT).sum() == marks.visual
        assert isinstance(marks, Count)


@pytest.mark.parametrize("tokens", TOKENIZERS)
@pytest.mark.parametrize("name", BUILDERS)
def test_ids_are_the_processors_own_for_several_pictures(name: str, tokens: str, pairs: Pairs) -> None:
    one = pairs(name, tokens)
    for seed in range(8):
        sizes = sizes_of(seed, 3)
        text = f"the {one.sign} and\n{one.sign}{one.sign} how many circles"
        theirs = one.theirs(text, [blank(*size) for size in sizes])
        parts = (Text("the "), Image(0), Text(" and\n"), Image(1), Image(2), Text(" how many circles"))
        plan = one.planner.plan([[Message("user", parts)]], [Size(*size) for size in sizes])
        assert plan.rows[0].ids_T.tolist() == theirs, sizes


@pytest.mark.parametrize("name", BUILDERS)
def test_marks_are_counted_as_they_are_written(name: str, pairs: Pairs) -> None:
    one = pairs(name, "bytes")
    tokenizer = one.planner.tokenizer
    marks = {number for token, number in tokenizer.added.items() if token.startswith(MARKS)}
    for width, height in sizes_of(2, 30):
        (row,) = one.planner.plan([[Message("user", (Image(0), Text("there")))]], [Size(width, height)]).rows
        assert count(one.planner.spec, Size(width, height)) == Count(
            int((row.slots_T != NO_SLOT).sum()), int(np.isin(row.ids_T, list(marks)).sum())
        )


@pytest.mark.parametrize("name", BUILDERS)
def test_a_mark_lies_where_its_tile_does(name: str, pairs: Pairs) -> None:
    one = pairs(name, "bytes")
    written = {number: token for token, number in one.planner.tokenizer.added.items()}
    for seed in range(6):
        sizes = [Size(*size) for size in sizes_of(seed, 2)]
        plan = one.planner.plan([[Message("user", (Image(0), Text("and"), Image(1), Text("there")))]], sizes)
        (row,), place_T4 = plan.rows, plan.places(0)
        seen = row.slots_T != NO_SLOT
        assert np.array_equal(place_T4[seen], plan.laid.place_V4[row.slots_T[seen]])
        for token, place in zip(row.ids_T[~seen], place_T4[~seen].tolist(), strict=True):
            mark = written.get(int(token), "")
            if not mark.startswith(MARKS):
                assert place == [-1, -1, -1, -1]
                continue
            grid = plan.laid.grids[place[0]]
            assert place[1:] == [-1, -1, -1] if mark != "[IMG_BREAK]" else 0 <= place[2] < grid.h - 1
            if mark.startswith("<row_"):
                tiles = [g for g in plan.laid.grids if g.item == grid.item][:-1]
                across, down = (sorted({getattr(g.box, edge) for g in tiles}) for edge in ("x0", "y0"))
                assert mark == f"<row_{down.index(grid.box.y0) + 1}_col_{across.index(grid.box.x0) + 1}>"
            if mark == "<global-img>":
                assert (grid.box.x0, grid.box.y0) == (0, 0)


@pytest.mark.parametrize("name", BUILDERS)
def test_a_typed_placeholder_stays_text(name: str, pairs: Pairs) -> None:
    one = pairs(name, "bytes")
    message = Message("user", (Image(0), Text(f"what does {one.sign} mean")))
    plan = one.planner.plan([[message]], [Size(30, 40)])
    assert (plan.rows[0].slots_T != NO_SLOT).sum() == count(one.planner.spec, Size(30, 40)).visual
    assert plan.batch().valid_BT.all()


def test_conversations_and_pictures_must_agree(pairs: Pairs) -> None:
    one = pairs("llava", "words")
    shows_one = [Message("user", (Image(0), Text("what")))]
    with pytest.raises(BadPrompt, match="show 1 pictures and 2 were given"):
        one.planner.plan([shows_one], [Size(8, 8)] * 2)
    plan = one.planner.plan([shows_one, [Message("user", (Text("how many"),))], shows_one], [Size(8, 8), Size(9, 9)])
    assert [int((row.slots_T != NO_SLOT).sum()) for row in plan.rows] == [25, 0, 25]
