"""Runs of evaluation: nothing is lost, nothing is asked twice, two runs are alike to the byte, bad rows are named."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_folder import tiny_folder

from chiasm.assistant import Answer, Assistant, Done, Event, Extent, Request, Score, Usage, Verb
from chiasm.cli import main
from chiasm.errors import UserError
from chiasm.evaluate.benchmarks import registry
from chiasm.evaluate.runs import own, runner
from chiasm.evaluate.runs.outcome import outcome
from chiasm.evaluate.runs.report import notes
from chiasm.evaluate.runs.run import Wanted, questions
from chiasm.evaluate.runs.setting import Setting
from chiasm.evaluate.runs.store import RECORDS, RESULT, Store

ROOT = Path(__file__).parent.parent


class Scripted(Assistant):
    """Says the name of a picture's colour, whatever is asked; grey is `unsure`. Chooses the option that it would say."""

    name = "scripted"

    def __init__(self, chooses: bool = False) -> None:
        self.asked: list[str] = []
        self.chooses = chooses

    @property
    def capabilities(self) -> frozenset[Verb]:
        return frozenset({"generate", "score"} if self.chooses else {"generate"})

    def generate(self, requests: Sequence[Request]) -> Iterator[Event]:
        for number, request in enumerate(requests):
            said = self._sees(request)
            self.asked.append(str(request.messages[0].content))
            yield Done(number, Answer(said, Usage(4, 9, 1), "stop", self.name))

    def score(self, request: Request, options: Sequence[str], extent: Extent = "complete") -> list[Score]:
        said = self._sees(request)
        return [Score(option, 0.0 if option == said else -1.0, 1) for option in options]

    @staticmethod
    def _sees(request: Request) -> str:
        pictures = request.messages[0].pictures
        if not pictures:
            return "unsure"
        first: Any = pictures[0]
        shown = first if isinstance(first, np.ndarray) else np.asarray(Image.open(first))
        red, green, blue = (int(part) for part in shown[0, 0][:3])
        return "unsure" if red == green == blue else ("red", "green", "blue")[int(np.argmax((red, green, blue)))]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Six pictures of three colours, half of them with options; the last row is wrong on purpose."""
    folder = tmp_path / "mine"
    folder.mkdir()
    rows = []
    for number, (name, colour) in enumerate(2 * [("red", (250, 9, 9)), ("green", (9, 250, 9)), ("blue", (9, 9, 250))]):
        Image.new("RGB", (40, 30), colour).save(folder / f"{number}.png")
        choices = {"choices": ["red", "green", "blue"]} if number >= 3 else {}
        rows.append({"image": f"{number}.png", "question": "Which colour?", "answer": name, "kind": "even", **choices})
    rows[-1]["answer"] = "red"
    (folder / "table.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def asked(assistant: Assistant, data: Path, output: Path, **changes: object) -> Store:
    wanted = Wanted((), data, **changes)  # type: ignore[arg-type]
    variants, bad = questions(own.task(), wanted)
    store = Store(output)
    about = runner.manifest(assistant, own.task(), variants, bad, wanted.setting, {})
    runner.run(assistant, own.task(), variants, store, about, wanted.setting)
    return store


@pytest.mark.parametrize("chooses", [False, True])
def test_own_questions_are_answered_and_ablated(chooses: bool, table: Path, tmp_path: Path) -> None:
    store = asked(Scripted(chooses), table, tmp_path / "run")
    made = outcome(own.task(), store)
    assert made.headline.value == pytest.approx(5 / 6) and made.headline.n == 6
    # One that must choose is right about the first option without seeing anything.
    assert made.ablated["blank"].value == made.ablated["none"].value == (pytest.approx(1 / 3) if chooses else 0)
    # Six questions are too few to tell a third from five sixths.
    assert made.falls("blank") is made.falls("none") is not chooses
    written = json.loads((tmp_path / "run" / RESULT).read_text())
    assert written["figures"][0]["n"] == 6 and written["ablated"]["another"]["n"] == 6
    assert {sample.slices["kind"] for sample in store.samples()} == {"even"}


def test_a_score_that_needs_no_picture_says_so(table: Path, tmp_path: Path) -> None:
    class Blind(Scripted):
        @staticmethod
        def _sees(request: Request) -> str:
            return "red"

    made = outcome(own.task(), asked(Blind(), table, tmp_path / "run"))
    assert "scripted on own: the score does not fall with a blank picture" in notes([made])


def test_a_run_goes_on_from_its_last_whole_line_and_asks_nothing_twice(table: Path, tmp_path: Path) -> None:
    whole = asked(Scripted(), table, tmp_path / "whole", batch=2)
    lines = (whole.folder / RECORDS).read_bytes().splitlines(keepends=True)
    cut = tmp_path / "cut"
    shutil.copytree(whole.folder, cut)
    (cut / RECORDS).write_bytes(b"".join(lines[:7]) + lines[7][:20])
    again = Scripted()
    asked(again, table, cut, batch=2)
    assert len(again.asked) == len(lines) - 7
    assert (cut / RECORDS).read_bytes() == (whole.folder / RECORDS).read_bytes()


def test_seeds_are_never_mixed_and_prompts_are_averaged(table: Path, tmp_path: Path) -> None:
    """Questions that are asked together share a way of sampling, so a batch is of one seed; answers to one question are no
    new questions."""

    class Seeded(Scripted):
        def generate(self, requests: Sequence[Request]) -> Iterator[Event]:
            seeds = {request.sampling.seed for request in requests if request.sampling}
            assert len(seeds) == 1
            for event in super().generate(requests):
                if isinstance(event, Done) and seeds == {1}:
                    yield Done(event.request, replace(event.answer, text="unsure"))
                else:
                    yield event

    store = asked(Seeded(), table, tmp_path / "run", seeds=(0, 1), temperature=1.0, batch=4)
    made = outcome(own.task(), store)
    assert made.spread == {"as it is, seed 0": pytest.approx(5 / 6), "as it is, seed 1": 0.0}
    assert made.headline.value == pytest.approx(5 / 12) and made.headline.n == 6
    assert any("83.3 apart" in note for note in notes([made]))


def test_options_are_turned_and_each_turn_must_be_right(table: Path, tmp_path: Path) -> None:
    class Liking(Scripted):
        @staticmethod
        def _sees(request: Request) -> str:
            return "A"

    wanted = Wanted((), table, ablations=False, circular=True)
    variants, bad = questions(own.turned(), wanted)
    assert not bad and len(variants[0].items) == 3 + 3 * 3
    store = Store(tmp_path / "run")
    runner.run(
        Liking(),
        own.turned(),
        variants,
        store,
        runner.manifest(Liking(), own.turned(), variants, bad, wanted.setting, {}),
        wanted.setting,
    )
    made = outcome(own.turned(), store)
    # One who always says A is right in one turn of three, and of no question in all of them.
    assert [figure.value for figure in made.figures] == [0.0, 0.25] and made.headline.n == 6


def test_an_answer_that_was_not_given_is_not_unparsed(table: Path, tmp_path: Path) -> None:
    (table / "2.png").write_bytes(b"no picture")

    class Mute(Scripted):
        @staticmethod
        def _sees(request: Request) -> str:
            if "2.png" in str(request.messages[0].pictures):
                raise UserError("no picture")
            return ""

    made = outcome(own.task(), asked(Mute(), table, tmp_path / "run", ablations=False))
    assert (made.unparsed, made.failed) == (5, 1)


def test_two_runs_are_alike_to_the_byte_and_another_setting_is_another_run(table: Path, tmp_path: Path) -> None:
    first, second = (asked(Scripted(), table, tmp_path / name) for name in ("one", "two"))
    for name in (RECORDS, "manifest.json"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()
    with pytest.raises(UserError, match="holds a run with another ablations"):
        asked(Scripted(), table, tmp_path / "one", ablations=False)


def test_rows_that_cannot_be_asked_are_counted_and_named(table: Path, tmp_path: Path) -> None:
    file = table / "table.jsonl"
    more = [
        {"question": "Which colour?", "image": "gone.png", "answer": "red"},
        {"image": "0.png", "answer": "red"},
        {"image": "0.png", "question": "Which colour?"},
        {"image": "0.png", "question": "Which?", "answer": "red", "choices": ["green", "blue"]},
        {"image": "0.png", "question": "Which?", "answer": "red", "id": "1"},
    ]
    file.write_text(file.read_text() + "".join(json.dumps(row) + "\n" for row in more))
    store = asked(Scripted(), table, tmp_path / "run")
    said = store.manifest()
    assert any("rows that make no question, 5; table.jsonl, row 6" in note for note in notes([outcome(own.task(), store)]))
    assert said["samples"] == 6
    reasons = [why for _, why in said["unusable rows"]]
    assert "gone.png" in reasons[0] and "no question" in reasons[1] and "no answer" in reasons[2]
    assert "'red' is none of the choices" in reasons[3] and "the id '1' already" in reasons[4]


def test_a_broken_picture_fails_alone(table: Path, tmp_path: Path) -> None:
    (table / "2.png").write_bytes(b"no picture")
    folder = tiny_folder(tmp_path / "tiny")
    assert main(["eval", str(folder), "--data", str(table), "--output", str(tmp_path / "runs"), "--no-ablations"]) == 0
    ((run),) = [file.parent for file in (tmp_path / "runs").rglob(RECORDS)]
    failed = [sample for sample in Store(run).samples() if sample.error]
    assert [sample.id for sample in failed] == ["2"] and "2.png" in str(failed[0].error)
    assert json.loads((run / RESULT).read_text())["failed"] == 1


def test_what_failed_and_what_shows_nothing_is_named(table: Path, tmp_path: Path) -> None:
    file = table / "table.jsonl"
    file.write_text(file.read_text() + json.dumps({"question": "And without?", "answer": "red"}) + "\n")
    store = asked(Scripted(), table, tmp_path / "run", ablations=False)
    (store.folder / RECORDS).write_text(
        (store.folder / RECORDS).read_text().replace('"error": null', '"error": "x.png: cut"', 1)
    )
    made = outcome(own.task(), store)
    assert (made.failed, made.unseen) == (1, ("6",))
    said = notes([made])
    assert "scripted on own: questions that failed and count as wrong, 1; 0: x.png: cut" in said
    assert "scripted on own: questions without a picture, 1; 6" in said
    written = json.loads((store.folder / RESULT).read_text())
    assert written["failures"] == [["0", "x.png: cut"]] and written["without a picture"] == ["6"]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"question": "Q?", "answer": {"a": 1}}, "answer is {'a': 1}, neither text nor a number"),
        ({"question": "Q?", "answers": ["red", None]}, "is None, neither text nor a number"),
        ({"question": "Q?", "answer": True}, "is True, neither text nor a number"),
        ({"question": "Q?", "answer": "red", "choices": {"A": "red"}}, "choices is {'A': 'red'}"),
        ({"question": "", "answer": "red"}, "there is no question"),
        ({"question": ["a"], "answer": "red"}, "question is ['a'], not text"),
        ({"question": "Q?", "answer": "red", "image": 7}, "image is '7', which is no picture"),
        ("a question in no row", "there is no question"),
        ([1, 2], "there is no question"),
    ],
)
def test_a_row_of_another_kind_is_named_and_the_others_are_asked(row: object, why: str, table: Path) -> None:
    file = table / "table.jsonl"
    file.write_text(file.read_text() + json.dumps(row) + "\n")
    variants, bad = questions(own.task(), Wanted((), table))
    assert len(variants[0].items) == 6
    assert [one.where for one in bad] == ["table.jsonl, row 6"] and why in bad[0].why


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.jsonl", b"\xff\xfe", "is no text in UTF-8 (byte 0)"),
        ("t.json", b"\xff\xfe", "is no text in UTF-8"),
        ("t.csv", b"question,answer\nQ?,\xe9\n", "is no text in UTF-8"),
        ("t.parquet", b"no parquet", "not a whole parquet file"),
        ("t.jsonl", b'{"question": "Q?", "answer": "a"}\n{"question"\n', "line 2 is not JSON"),
        ("t.json", b'"text"', "there is no question"),
        ("t.jsonl", b"", "holds no question"),
    ],
)
def test_tables_that_cannot_be_read_are_one_sentence(
    name: str, content: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert main(["eval", "default", "--data", str(tmp_path / name)]) == 2
    assert said in capsys.readouterr().err


def test_a_disk_that_is_full_from_the_start_is_one_sentence(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written .*start the same run again"):
        asked(Scripted(), table, tmp_path / "file" / "run")
    store = asked(Scripted(), table, tmp_path / "run", ablations=False)
    (store.folder / RESULT).mkdir()
    (store.folder / RESULT / "in the way").write_text("")
    with pytest.raises(UserError, match=r"result\.json cannot be written"):
        outcome(own.task(), store)


def test_damaged_records_are_named(table: Path, tmp_path: Path) -> None:
    store = asked(Scripted(), table, tmp_path / "run", ablations=False)
    lines = (store.folder / RECORDS).read_text().splitlines(keepends=True)
    (store.folder / RECORDS).write_text("".join([lines[0], "{broken\n", *lines[2:]]))
    with pytest.raises(UserError, match=r"records\.jsonl, line 2, is damaged"):
        list(store.samples())
    (store.folder / "manifest.json").write_text("{")
    with pytest.raises(UserError, match=r"manifest\.json is damaged"):
        store.manifest()


def test_a_full_disk_loses_nothing(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = asked(Scripted(), table, tmp_path / "run", ablations=False, batch=2)
    before = (store.folder / RECORDS).read_bytes()
    real = Path.open

    def full(self: Path, *args: Any, **options: Any) -> object:
        if self.name == RECORDS and args and args[0] == "ab":
            raise OSError(28, "No space left on device")
        return real(self, *args, **options)

    (store.folder / RECORDS).write_bytes(b"".join(before.splitlines(keepends=True)[:2]))
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(UserError, match=r"No space left on device.*start the same run again"):
        asked(Scripted(), table, tmp_path / "run", ablations=False, batch=2)
    monkeypatch.undo()
    asked(Scripted(), table, tmp_path / "run", ablations=False, batch=2)
    assert (store.folder / RECORDS).read_bytes() == before


def test_a_kill_in_the_middle_loses_nothing(table: Path, tmp_path: Path) -> None:
    folder, runs = tiny_folder(tmp_path / "tiny"), tmp_path / "runs"
    command = [sys.executable, "-m", "chiasm.cli", "eval", str(folder), "--data", str(table), "--batch", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([*command, "--output", str(runs)], env=environment, stderr=subprocess.DEVNULL)
    for _ in range(1200):
        found = list(runs.rglob(RECORDS))
        if (found and found[0].stat().st_size) or process.poll() is not None:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run([*command, "--output", str(runs)], env=environment, check=True, capture_output=True)
    subprocess.run([*command, "--output", str(tmp_path / "once")], env=environment, check=True, capture_output=True)
    (after,), (once,) = (list(root.rglob(RECORDS)) for root in (runs, tmp_path / "once"))
    assert after.read_bytes() == once.read_bytes()


def test_records_of_another_form_are_named(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = asked(Scripted(), table, tmp_path / "run", ablations=False)
    rows = [json.loads(line) for line in (store.folder / RECORDS).read_text().splitlines()]
    lines = [json.dumps({**row, "gold": {"label": "yes"}}) + "\n" for row in rows]
    (store.folder / RECORDS).write_text("".join(lines))
    assert main(["score", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"the record {rows[0]['id']!r} holds an answer of own" in said and "label" in said and "Traceback" not in said


def test_answers_are_scored_again_by_other_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "pope"
    data.mkdir()
    Image.new("RGB", (8, 8), (250, 9, 9)).save(data / "a.png")
    lines = [{"question_id": n, "image": "a.png", "text": "Is there red?", "label": "yes"} for n in range(2)]
    (data / "coco_pope_random.json").write_text("\n".join(map(json.dumps, lines)))
    pope = registry.find("pope")
    wanted = Wanted(("pope",), data, ablations=False)
    variants, bad = questions(pope, wanted)
    store = Store(tmp_path / "run" / "pope")
    setting = Setting(("picture",))
    runner.run(Scripted(), pope, variants, store, runner.manifest(Scripted(), pope, variants, bad, setting, {}), setting)
    assert main(["score", str(tmp_path / "run"), "--json"]) == 0
    own_rules = json.loads(capsys.readouterr().out)[0]
    assert main(["score", str(tmp_path / "run"), "--reference", "lmms-eval", "--json"]) == 0
    theirs = json.loads(capsys.readouterr().out)[0]
    accuracy = [next(f["value"] for f in made["figures"] if f["name"] == "accuracy") for made in (own_rules, theirs)]
    assert accuracy == [1, 0] and theirs["scorer"] == "lmms-eval"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["eval"], "no model"),
        (["eval", "default"], "nothing to ask"),
        (["eval", "default", "--tasks", "mmstra"], "the nearest are mmstar"),
        (["eval", "default", "--data", "nowhere.csv"], "there is no nowhere.csv"),
        (["eval", "default", "--data", "x", "--seeds", "3"], "--temperature"),
        (["eval", "default", "--data", "x", "--limit", "0"], "--limit is 0"),
        (["eval", "default", "--data", "x", "--batch", "-1"], "--batch is -1"),
        (["eval", "default", "--data", "x", "--temperature", "-1"], "--temperature is -1"),
        (["score", "nowhere"], "holds no run"),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("wanted", "kind"), [({"prompts": ("mine",)}, "prompt"), ({"reference": "mine"}, "reference")])
def test_a_name_that_a_task_does_not_know_is_told_before_anything_is_asked(
    wanted: dict[str, Any], kind: str, table: Path
) -> None:
    with pytest.raises(UserError, match=f"own has no {kind} called 'mine'"):
        questions(own.task(), Wanted((), table, **wanted))
