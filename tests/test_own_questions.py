"""A person's own table: cells as spreadsheets write them, questions that a box answers, what was really asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image

from chiasm.assistant import Answer, Assistant, Done, Event, Extent, Request, Score, Usage, Verb
from chiasm.evaluate.benchmarks.rows import Bad
from chiasm.evaluate.benchmarks.task import Item
from chiasm.evaluate.runs import own, runner
from chiasm.evaluate.runs.run import Wanted, questions
from chiasm.evaluate.runs.store import Store
from chiasm.prompt.messages import Text


class Says(Assistant):
    """The same words to everything; likes the longest option."""

    name = "says"

    def __init__(self, words: str) -> None:
        self.words = words
        self.heard: list[str] = []

    @property
    def capabilities(self) -> frozenset[Verb]:
        return frozenset({"generate", "score"})

    def generate(self, requests: Sequence[Request]) -> Iterator[Event]:
        for number, request in enumerate(requests):
            self.heard.append(self._words(request))
            yield Done(number, Answer(self.words, Usage(4, 9, 1), "stop", self.name))

    def score(self, request: Request, options: Sequence[str], extent: Extent = "complete") -> list[Score]:
        self.heard.append(self._words(request))
        return [Score(option, float(len(option)), 1) for option in options]

    @staticmethod
    def _words(request: Request) -> str:
        return "".join(part.text for part in request.messages[-1].content if isinstance(part, Text))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (200, 100), "red").save(tmp_path / "a.png")
    return tmp_path


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_a_csv_has_the_separator_of_its_header(between: str, folder: Path) -> None:
    cells = [["\ufeffQuestion", "ANSWER", " Image ", "place"], ['"Which one; or, rather,\nwhat?"', "red", "a.png", '"a;b"']]
    (folder / "t.csv").write_text("\r\n".join(between.join(row) for row in cells), encoding="utf-8")
    (item,) = own.items(folder / "t.csv")
    assert isinstance(item, Item) and item.gold["question"] == "Which one; or, rather,\nwhat?"
    assert item.gold["answers"] == ["red"] and item.groups == {"place": "a;b"} and len(item.parts) == 2


@pytest.mark.parametrize("box", [[20, 10, 120, 60], "20, 10, 120, 60", "[20 10 120 60]", [[20, 10, 120, 60]]])
def test_a_box_is_asked_for_and_covered(box: object, folder: Path) -> None:
    row = {"question": "Where?", "image": "a.png", "box": box}
    (folder / "t.jsonl").write_text(json.dumps(row))
    (item,) = own.items(folder / "t.jsonl")
    assert isinstance(item, Item) and "[left, top, right, bottom]" in runner.said(item)
    assert item.gold["box"] == [20, 10, 120, 60] and item.gold["size"] == [200, 100]
    shares, thousandths, pixels = "[0.1, 0.1, 0.6, 0.6]", "[100, 100, 600, 600]", "at [20, 10, 120, 60]"
    for reply in (shares, thousandths):
        assert own.judge(item.gold, reply).score == 1 and own.judge(item.gold, reply).parsed["iou"] == pytest.approx(1)
    assert own.judge(item.gold, pixels).score == 0 and own.judge_pixels(item.gold, pixels).score == 1
    assert own.judge(item.gold, "[0.1, 0.1, 0.2, 0.6]").score == 0
    assert own.judge(item.gold, "on the left").parsed is None
    assert own.sought(item.gold) is None


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"box": [1, 2, 3]}, "left, top, right and bottom in pixels were expected"),
        ({"box": "here"}, "left, top, right and bottom in pixels were expected"),
        ({"box": [30, 10, 20, 60]}, "no area"),
        ({"box": [1, 2, 3, 4], "image": None}, "there are 0"),
        ({"box": [1, 2, 3, 4], "image": "broken.png"}, "broken.png"),
    ],
)
def test_a_box_that_cannot_be_asked_for_is_named(row: dict[str, object], why: str, folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "t.jsonl").write_text(json.dumps({"question": "Where?", "image": "a.png", **row}))
    (bad,) = own.items(folder / "t.jsonl")
    assert isinstance(bad, Bad) and why in bad.why


def test_a_record_says_what_was_asked(folder: Path) -> None:
    """Where options are weighed they are not shown, and a record shows none; in words it shows them."""
    rows = [{"question": "Which?", "image": "a.png", "answer": "red", "choices": ["red", "green"]},
            {"question": "What?", "image": "a.png", "answer": "red"}]  # fmt: skip
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    says, wanted = Says("red"), Wanted((), folder / "t.jsonl", ablations=False)
    variants, bad = questions(own.task(), wanted)
    store = Store(folder / "run")
    about = runner.manifest(says, own.task(), variants, bad, wanted.setting, {})
    runner.run(says, own.task(), variants, store, about, wanted.setting)
    weighed, worded = store.samples()
    assert weighed.prompt == "<picture>Which?" and weighed.answer == "green" and weighed.finish_reason == "chosen"
    assert worded.prompt.startswith("<picture>What?\n")
    assert says.heard == [sample.prompt.removeprefix("<picture>") for sample in (worded, weighed)]
