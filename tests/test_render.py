"""Drawn pictures: same arguments, same picture; the truth is where it says; splits share nothing."""

from __future__ import annotations

import numpy as np
import pytest

from chiasm.errors import Offline
from chiasm.render import KINDS, Assets, Sample, assets, fetch, sample
from chiasm.render.assets import _body, _slug
from chiasm.render.shapes import COLOURS, SHAPES, mask
from chiasm.render.sources import FONTS, STYLES
from chiasm.render.wordings import WORDINGS

BARE = Assets((), (), ())
"""Pillow's own font and no emoji: what a fresh machine has."""

DRAWABLE = tuple(k for k in KINDS if k not in ("named", "pair", "crowd"))


def drawn(kind: str, i: int = 0, size: int = 128) -> Sample:
    return sample(i, 5, "train", kind, size, BARE)


@pytest.mark.parametrize("kind", DRAWABLE)
def test_same_arguments_draw_the_same_picture(kind: str) -> None:
    first, again, other = drawn(kind), drawn(kind), drawn(kind, i=1)
    assert np.array_equal(first.picture, again.picture)
    assert (first.caption, first.questions, first.truth) == (again.caption, again.questions, again.truth)
    assert not np.array_equal(first.picture, other.picture)


@pytest.mark.parametrize("kind", DRAWABLE)
def test_truth_lies_inside_the_picture_and_answers_are_among_their_candidates(kind: str) -> None:
    for i in range(30):
        made = drawn(kind, i, size=224)
        assert made.picture.shape == (224, 224, 3) and made.picture.dtype == np.uint8
        for thing in made.truth.things:
            left, top, right, bottom = thing.box
            assert 0 <= left < right <= 224 and 0 <= top < bottom <= 224
        for question in made.questions:
            assert question.answer
            assert question.candidates is None or question.answer in question.candidates


def test_every_printed_letter_has_its_box_and_ink_is_under_it() -> None:
    for i in range(20):
        made = drawn("number", i, size=224)
        assert "".join(m.char for m in made.truth.letters) == made.questions[0].answer
        xs = [m.box[0] for m in made.truth.letters]
        assert xs == sorted(xs)
        for letter in made.truth.letters:
            left, top, right, bottom = (round(v) for v in letter.box)
            inside = made.picture[max(0, top) : bottom, max(0, left) : right]
            assert inside.reshape(-1, 3).astype(int).std(0).max() > 5


def test_counts_and_places_follow_from_the_truth() -> None:
    for i in range(40):
        made = drawn("many shapes", i)
        total = next(q for q in made.questions if q.key == "count shapes")
        assert int(total.answer) == len(made.truth.things)
        mixed = drawn("mixed shapes", i)
        for q in mixed.questions:
            if q.task != "sides":
                continue
            _, colour_a, shape_a, colour_b, shape_b = q.key.split()
            at = {(t.colour, t.name): (t.box[0] + t.box[2]) / 2 for t in mixed.truth.things}
            assert q.answer == ("left" if at[colour_a, shape_a] < at[colour_b, shape_b] else "right")


def test_the_tallest_bar_is_the_tallest() -> None:
    for i in range(20):
        made = drawn("bars", i, size=224)
        question = made.questions[0]
        assert question.task == "tallest" and question.candidates
        tops = [t.box[1] for t in made.truth.things]
        assert question.candidates[tops.index(min(tops))] == question.answer


def test_a_receipt_adds_up() -> None:
    for i in range(20):
        rows = [line.lstrip("$€") for line in drawn("receipt", i, size=224).truth.text.split("\n")[1::2]]
        cents = [round(float(r) * 100) for r in rows]
        assert sum(cents[:-1]) == cents[-1]


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_differ_and_fill_their_square(shape: str) -> None:
    own = np.asarray(mask(shape, 48, 0)).astype(int)
    assert own.max() == 255 and own.sum() > 0.1 * 255 * 48 * 48
    for other in SHAPES:
        if other != shape:
            assert np.abs(own - np.asarray(mask(other, 48, 0)).astype(int)).mean() > 8


def test_splits_share_no_font_style_or_wording() -> None:
    for sources, name in ((FONTS, "family"), (STYLES, "style")):
        by_use = {use: {vars(s)[name] for s in sources if s.use == use} for use in ("train", "held-out")}
        assert not by_use["train"] & by_use["held-out"]
    assert sum(f.use == "train" for f in FONTS) >= 40
    assert sum(f.use == "held-out" for f in FONTS) >= 10
    assert all(not set(w["train"]) & set(w["held-out"]) for w in WORDINGS.values())
    assert len(COLOURS) == 11


def test_unusable_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="64 to 224"):
        sample(0, 0, size=500, material=BARE)
    with pytest.raises(ValueError, match="no kind of picture"):
        sample(0, 0, kind="opera", material=BARE)
    with pytest.raises(ValueError, match="emoji"):
        sample(0, 0, kind="named", material=BARE)


def test_without_a_fetch_there_is_no_material_and_offline_says_so(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("CHIASM_OFFLINE", "1")
    assert assets("train", tmp_path) == BARE
    with pytest.raises(Offline, match="CHIASM_OFFLINE"):
        fetch(tmp_path)


def test_icons_are_found_by_label_and_through_aliases() -> None:
    drawn = {"red-apple": {"body": "<g/>"}}
    icons = {"icons": drawn, "aliases": {"apple": {"parent": "red-apple"}}, "width": 32, "height": 32}
    assert _slug("Mrs. Claus: o’clock") == "mrs-claus-oclock"
    assert _body(icons, "red apple") == _body(icons, "apple") == ("<g/>", 32, 32)
    assert _body(icons, "pear") is None
