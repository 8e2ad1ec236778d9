"""The exam: its statistics, what it draws, how it hears answers, and the command that writes the card."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_folder import tiny_folder

from chiasm.errors import UserError
from chiasm.evaluate import card, exam
from chiasm.evaluate.examinee import Examinee, Said
from chiasm.evaluate.intervals import mcnemar, paired, wilson
from chiasm.evaluate.marks import mark, normal
from chiasm.evaluate.tasks import PAIRS, TASKS, Closed, Listed, Open, Task, chance, draw
from chiasm.generate.engine import placeholders
from chiasm.geometry import Size
from chiasm.loading import load_local
from chiasm.model import Causal
from chiasm.pixels.views import look, packed
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.plan import Plan
from chiasm.render import Assets, assets
from chiasm.render.wordings import WORDINGS
from chiasm.spec import Sight

PLAIN = Assets((), (), ())
DRAWABLE = [task for task in TASKS if task.kind != "named"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder(tmp_path_factory.mktemp("exam") / "tiny", context=8192)


@pytest.fixture(scope="module")
def examinee(folder: Path) -> Examinee:
    loaded = load_local(str(folder), dtype="float32", device="cpu")
    assert isinstance(loaded.model, Causal) and loaded.planner is not None
    return Examinee(loaded.model, loaded.planner)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Fetched material as it lies on a disk: no fonts, one held-out drawing style of 24 things."""
    data = tmp_path / "home" / "data"
    (data / "emoji").mkdir(parents=True)
    names = [f"thing {n}" for n in range(24)]
    np.save(data / "emoji" / "blots.npy", np.random.default_rng(0).integers(1, 256, (24, 96, 96, 4), np.uint8))
    kept = {"fonts": {"train": [], "held-out": []}, "styles": {"train": [], "held-out": ["blots"]}, "concepts": names}
    (data / "manifest.json").write_text(json.dumps(kept))
    licences = [
        {"package": "@fontsource/roboto@5.3.0", "licence": "OFL-1.1"},
        {"package": "@iconify-json/twemoji@1.2.5", "licence": "CC-BY-4.0"},
    ]
    (data / "licences.json").write_text(json.dumps(licences))
    monkeypatch.setenv("CHIASM_HOME", str(tmp_path / "home"))
    assets.cache_clear()
    yield data
    assets.cache_clear()


def picture(seed: int, side: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


# --- statistics -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (263, 500, 0.4822, 0.5694)],
)
def test_wilson_gives_the_published_intervals(right: int, total: int, low: float, high: float) -> None:
    share = wilson(right, total)
    assert (share.value, share.low, share.high) == pytest.approx((right / total, low, high), abs=6e-5)


def test_an_interval_needs_samples() -> None:
    for right, total in ((0, 0), (3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="a share needs"):
            wilson(right, total)


@pytest.mark.parametrize(
    ("first", "second", "p"), [(1, 7, 18 / 256), (7, 1, 18 / 256), (0, 0, 1.0), (5, 5, 1.0), (0, 6, 1 / 32)]
)
def test_mcnemar_is_exact(first: int, second: int, p: float) -> None:
    assert mcnemar(first, second) == pytest.approx(p)


def test_a_paired_difference_is_bonett_and_prices() -> None:
    first = [True] * 12 + [False] * 4 + [True] * 50 + [False] * 34
    second = [False] * 12 + [True] * 4 + [True] * 50 + [False] * 34
    found = paired(first, second)
    # By hand: (13 - 5) / 102 -+ 1.95996 * sqrt((18 / 102 - (8 / 102) ** 2) / 102)
    assert (found.difference.low, found.difference.high) == pytest.approx((-0.00166, 0.15852), abs=2e-5)
    assert found.difference.value == pytest.approx(0.08)
    assert found.p == pytest.approx(mcnemar(12, 4))
    with pytest.raises(ValueError, match="same questions"):
        paired([True], [])


# --- what is asked ----------------------------------------------------------------------------------------------------------


def test_every_task_draws_what_it_promises() -> None:
    for kind, several in groupby(sorted(DRAWABLE, key=lambda t: t.kind), key=lambda t: t.kind):
        tasks = list(several)
        drawn = draw(tasks, 10, 3, PLAIN)
        for task in tasks:
            asked = drawn.asked[task.name]
            assert len(asked) == len({one.number for one in asked}) == 10, task.name
            assert {one.number for one in asked} <= drawn.pictures.keys()
            for one in asked:
                assert _said_like(one.question, WORDINGS[task.asks]["held-out"]), (kind, one.question)
                assert not one.candidates or one.candidates.count(one.answer) == 1


def _said_like(question: str, wordings: tuple[str, ...]) -> bool:
    return any(question.startswith(w.partition("{")[0]) and question.endswith(w.rpartition("}")[2]) for w in wordings)


def test_numbers_are_of_their_length_and_height() -> None:
    tasks = {task.name: task for task in TASKS if task.kind == "number"}
    drawn = draw(list(tasks.values()), 8, 0, PLAIN)
    lengths = {name: {len(one.answer) for one in asked} for name, asked in drawn.asked.items()}
    assert lengths["number, 1-3 digits"] | lengths["number, 1-3 digits, under 20 px"] <= {1, 2, 3}
    assert lengths["number, 4-6 digits"] | lengths["number, 4-6 digits, under 20 px"] <= {4, 5, 6}
    small = {one.number for name, asked in drawn.asked.items() for one in asked if "under" in name}
    large = {one.number for name, asked in drawn.asked.items() for one in asked if "under" not in name}
    assert small.isdisjoint(large)


def test_closed_answers_come_equally_often() -> None:
    counts = [task for task in TASKS if task.kind == "many shapes"]
    drawn = draw(counts, 20, 0, PLAIN)
    assert Counter(one.answer for one in drawn.asked["count, 1 to 5"]) == dict.fromkeys("12345", 4)
    assert Counter(one.answer for one in drawn.asked["count, 6 to 9"]) == dict.fromkeys("6789", 5)
    assert [chance(task.how, drawn.asked[task.name]) for task in counts] == [0.2, 0.25]


def test_colour_and_shape_together_are_what_the_pictures_say() -> None:
    (task,) = (task for task in TASKS if task.name == "colour and shape")
    assert len(set(PAIRS)) == 110
    assert {one.answer for one in draw([task], 30, 1, PLAIN).asked[task.name]} <= set(PAIRS)


def test_drawing_repeats_itself_and_differs_by_seed() -> None:
    first, again, other = (draw([TASKS[0]], 4, seed, PLAIN) for seed in (5, 5, 6))
    assert first.asked == again.asked != other.asked
    assert all(np.array_equal(first.pictures[n], again.pictures[n]) for n in first.pictures)


def test_a_task_that_its_pictures_do_not_ask_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chiasm.evaluate.tasks._PATIENCE", 1)
    with pytest.raises(UserError, match="hold no 3 questions for 'lost'"):
        draw([Task("lost", "one shape", "total", Open(3))], 3, 0, PLAIN)


@pytest.mark.parametrize(
    ("text", "bare"), [(" 42.\n", "42"), ("4.2", "4.2"), ("Exit. ", "Exit"), ("EXIT", "EXIT"), ("..", ".")]
)
def test_answers_are_compared_without_space_and_one_period(text: str, bare: str) -> None:
    assert normal(text) == bare


# --- how answers are heard --------------------------------------------------------------------------------------------------


def sight_of(examinee: Examinee) -> Sight:
    assert examinee.planner.spec.sight is not None
    return examinee.planner.spec.sight


def alone(examinee: Examinee, question: str, pixels: np.ndarray, answer: str) -> float:
    """The log-probability of one answer by one forward over its whole conversation, pixels and all."""
    asked = (Message("user", (Image(0), Text(question))), Message("assistant", (Text(answer),)))
    plan = examinee.planner.plan([asked], [Size(pixels.shape[1], pixels.shape[0])], answer=False)
    views = look(sight_of(examinee), pixels, 0)
    with torch.inference_mode():
        batch = plan.batch(torch.from_numpy(packed(views)))
        logprobs_TS = examinee.model.logits(examinee.model(batch))[0].log_softmax(-1)
    watched = batch.supervise_BT[0].nonzero()[:, 0]
    return float(logprobs_TS[watched - 1, batch.ids_BT[0, watched]].sum())


def test_branches_score_as_each_candidate_alone(examinee: Examinee) -> None:
    questions = ["How many?", "Which shape is red, and where is it in this picture?", "Name it."]
    candidates = [["1", "2", "10"], ["a red square", "two blue circles", "a", "Übung"], ["4"]]
    pictures = [picture(n) for n in range(3)]
    said = examinee.choose(questions, examinee.see(pictures), Size(64, 64), candidates)
    for question, pixels, several, answer in zip(questions, pictures, candidates, said, strict=True):
        wanted = [alone(examinee, question, pixels, text) for text in several]
        assert answer.scores == pytest.approx(wanted, abs=2e-4)
        assert answer.text == several[int(np.argmax(wanted))]


def test_portions_do_not_change_scores(examinee: Examinee, monkeypatch: pytest.MonkeyPatch) -> None:
    questions, candidates = ["What?", "Where is it then?", "Who?"], [["red", "blue"]] * 3
    seen = examinee.see([picture(n) for n in range(3)])
    whole = examinee.choose(questions, seen, Size(64, 64), candidates)
    monkeypatch.setattr("chiasm.evaluate.examinee.TOKENS_AT_ONCE", 1)
    monkeypatch.setattr("chiasm.evaluate.branches.POSITIONS_AT_ONCE", 2)
    for one, again in zip(whole, examinee.choose(questions, seen, Size(64, 64), candidates), strict=True):
        assert one.scores == pytest.approx(again.scores, abs=1e-4)


def test_written_answers_are_the_likeliest_tokens_of_full_forwards(examinee: Examinee) -> None:
    questions, pictures = ["How many?", "Which shape is red, and where is it?"], [picture(7), picture(8)]
    (placeholder,) = placeholders(examinee.model)
    said = examinee.write(questions, examinee.see(pictures), Size(64, 64), 6)
    for question, pixels, answer in zip(questions, pictures, said, strict=True):
        plan = examinee.planner.plan([[Message("user", (Image(0), Text(question)))]], [Size(64, 64)])
        patches = torch.from_numpy(packed(look(sight_of(examinee), pixels, 0)))
        ids: list[int] = []
        for _ in range(6):
            longer = Plan.from_ids(plan.spec, [[*plan.rows[0].ids_T, *ids]], plan.items)
            with torch.inference_mode():
                logits_S = examinee.model.logits(examinee.model(longer.batch(patches)))[0, -1]
                logits_S[placeholder] = float("-inf")
            ids.append(int(logits_S.argmax()))
        ended = [n for n, token in enumerate(ids) if token in examinee._stops]
        assert answer == Said(examinee.planner.tokenizer.decode(ids[: ended[0]] if ended else ids), bool(ended))


class Oracle(Examinee):
    """Knows every picture's answer, whatever is asked."""

    def __init__(self, truths: dict[bytes, str]) -> None:
        self.truths, self.heard = truths, 0

    def see(self, pictures, at_once=32):
        return [torch.tensor(pixels) for pixels in pictures]

    def write(self, questions, seen, size, tokens):
        self.heard += len(questions)
        return [Said(f" {self.truths.get(pixels.numpy().tobytes(), '?')}.", True) for pixels in seen]


def test_conditions_are_kept_apart_and_nothing_is_asked_twice() -> None:
    tasks = [task for task in TASKS if task.name in ("number, 4-6 digits", "receipt total")]
    truths = dict[bytes, str]()
    for task in tasks:
        drawn = draw([task], 6, 0, PLAIN)
        truths |= {drawn.pictures[one.number].tobytes(): one.answer for one in drawn.asked[task.name]}
    oracle = Oracle(truths)
    marks, records = exam.examine(oracle, PLAIN, 6, 0, tasks)
    assert [m.task for m in marks] == [task.name for task in tasks]
    for m in marks:
        assert {c: share.value for c, share in m.shares.items()} == {"picture": 1.0, "blank": 0.0, "other": 0.0}
        assert m.reached and m.over_blank.difference.value == 1.0 and m.over_blank.p == 2 / 64
    # One wording for totals: six pictures and the blank one; two for numbers, the blank and other ones with both at most.
    assert oracle.heard <= 7 + 14
    for record in records:
        assert record.other != record.asked.number and normal(record.said["picture"].text) == record.asked.answer
        assert record.said["blank"].text == " ?."


def test_a_missed_target_and_a_betraying_wording_are_said() -> None:
    (task,) = (task for task in TASKS if task.name == "left or right")
    asked = draw([task], 10, 0, PLAIN).asked[task.name]
    true, left = [Said(one.answer, True) for one in asked], [Said("left", True)] * 10
    m = mark(task, asked, {"picture": left, "blank": true, "other": left})
    assert (m.reached, m.near, m.betrayed) == (False, False, True)
    assert m.missing == pytest.approx(0.3) and m.excess == pytest.approx(0.5)


def test_chance_by_the_way_of_answering() -> None:
    asked = draw([TASKS[0]], 3, 0, PLAIN).asked[TASKS[0].name]
    numbers = [replace(asked[0], answer=answer, candidates=("a", "b", "c", "d")) for answer in ("7", "7", "9")]
    assert chance(Open(8), numbers) == pytest.approx(0.5)
    assert chance(Listed(), numbers) == pytest.approx(0.25)
    assert chance(Closed(("7", "8", "9"), ("7", "9")), numbers) == pytest.approx(0.5)


# --- the command ------------------------------------------------------------------------------------------------------------


def test_one_command_writes_results_samples_table_plot_and_card(
    folder: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    assert exam.main([str(folder), "--pictures", "2", "--seed", "4", "--out", str(out), "--name", "tiny", "--json"]) == 0
    results = json.loads((out / "results.json").read_text())
    assert json.loads(capsys.readouterr().out) == results
    assert (results["seed"], results["pictures"], results["model"]["name"]) == (4, 2, "tiny")
    assert [line["task"] for line in results["tasks"]] == [task.name for task in TASKS]
    assert len(results["model"]["files"]["model/model.safetensors"]) == 64
    records = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    for line in results["tasks"]:
        own = [record for record in records if record["task"] == line["task"]]
        for condition, share in line["shares"].items():
            said = [normal(r[f"with {condition}"]["said"]) == normal(r["answer"]) for r in own]
            assert len(said) == 2 and sum(said) / 2 == share["value"]
    assert (out / "exam.png").read_bytes()[:4] == b"\x89PNG"
    page = (out / "README.md").read_text()
    assert page.startswith("---\nlicense: apache-2.0\n") and "](exam.png)" in page
    assert (out / "table.md").read_text() in page
    assert "not for photographs yet" in page and "CC-BY-4.0" in page and "not recorded" in page
    assert str(tmp_path) not in page + (out / "results.json").read_text()
    assert not (folder / "README.md").exists(), "an exam of two questions a task must leave the model's own card alone"


@pytest.mark.parametrize(
    ("words", "said"), [(["--pictures", "1"], "name 2 or more"), (["--run", "nowhere"], "nowhere is not a folder")]
)
def test_mistakes_end_in_one_sentence_before_anything_is_asked(
    words: list[str], said: str, folder: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    assert exam.main([str(folder), "--out", str(tmp_path / "out"), *words]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1 and said in errors[0]
    assert not (tmp_path / "out").exists()


def test_training_is_read_from_its_records_and_kept_beside_the_model(tmp_path: Path) -> None:
    run, eye, model = tmp_path / "run", tmp_path / "eye", tmp_path / "run" / "model"
    for place in (run, eye, model):
        place.mkdir()
    assert card.training(model, []) == []
    (run / "align.json").write_text('{"step": 900, "seconds": 720.0}')
    (run / "notes.json").write_text('{"step": 1}')
    (eye / "state.json").write_text('{"step": 20000, "seconds": 3000.4}')
    stages = card.training(model, [eye, run])
    assert stages == [card.Stage("eye", 20000, 50.0), card.Stage("align", 900, 12.0)]
    moved = model.rename(tmp_path / "elsewhere")
    (run / "align.json").unlink()
    (eye / "state.json").rename(tmp_path / "gone.txt")
    assert card.training(moved, []) == stages
    with pytest.raises(UserError, match="holds no record of training"):
        card.training(moved, [eye])
