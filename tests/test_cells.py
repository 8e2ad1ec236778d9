"""Boxes as pairs of cells: what Kosmos-2's tables (test_tables.py) leave open."""

import pytest

from chiasm.errors import BadPrompt
from chiasm.ground.cells import cells, read, write
from chiasm.place import Box


def corners(one: Box) -> list[float]:
    assert one.frame == "fraction"
    return [one.x0, one.y0, one.x1, one.y1]


def test_a_box_comes_back_within_a_cell() -> None:
    for one in (Box(0.1, 0.2, 0.7, 0.9, "fraction"), Box(0.5, 0.5, 0.51, 0.99, "fraction"), Box(0, 0, 1, 1, "fraction")):
        said = read(write("a red square", [one, one]))
        assert said.text == "a red square" and len(said.grounded) == 1
        (found,) = said.grounded
        assert said.text[found.start : found.end] == found.phrase == "a red square"
        assert len(found.boxes) == 2 and found.boxes[0] == found.boxes[1]
        assert max(abs(a - b) for a, b in zip(corners(found.boxes[0]), corners(one), strict=True)) <= 1 / 32
    assert read(write("", [Box(0, 0, 1, 1, "fraction")])).grounded[0].phrase == "<patch_index_0><patch_index_1023>"


def test_a_phrase_stands_where_the_clean_text_has_it() -> None:
    said = read("  <grounding>Two<phrase> round dogs </phrase><object><patch_index_0033><patch_index_0067></object>!  ")
    assert said.text == "Two round dogs !"
    assert [said.text[g.start : g.end] for g in said.grounded] == ["round dogs"]


@pytest.mark.parametrize("one", [Box(0.5, 0.1, 0.5, 0.2, "fraction"), Box(0.6, 0.1, 0.5, 0.2, "fraction"), Box(3, 4, 9, 9)])
def test_a_box_without_cells_is_refused(one: Box) -> None:
    with pytest.raises(BadPrompt, match="has no cells: a box in fractions"):
        cells(one)
