"""Probes: pictures are what their questions say, answers are read, runs go on, the page stands alone."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_folder import tiny_folder

from chiasm.assistant import Answer, Assistant, Done, Event, Extent, Request, Score, Usage, Verb
from chiasm.cli import main
from chiasm.errors import UserError
from chiasm.evaluate.runs.store import Sample
from chiasm.probe import curves, judges, remedies
from chiasm.probe.page import page, rows
from chiasm.probe.run import Probed, Way, items, laid
from chiasm.probe.skill import Skill
from chiasm.probe.skills import SKILLS, absent, find
from chiasm.prompt.messages import Image as Shown
from chiasm.render import Assets
from chiasm.render.shapes import SHAPES

PLAIN = Assets((), (), ())
"""Pillow's own face."""


class Counter(Assistant):
    """Counts what is not paper in a picture, one too many above five, and takes the first option of any."""

    name = "counter"
    asked = 0

    @property
    def capabilities(self) -> frozenset[Verb]:
        return frozenset({"generate", "score"})

    def generate(self, requests: Sequence[Request]) -> Iterator[Event]:
        for number, request in enumerate(requests):
            self.asked += 1
            many = _blobs(np.asarray(Image.open(str(request.messages[0].pictures[0]))))
            yield Done(number, Answer(f"{many + (many > 5)}.", Usage(4, 9, 1), "stop", self.name))

    def score(self, request: Request, options: Sequence[str], extent: Extent = "complete") -> list[Score]:
        return [Score(option, -float(n), 1) for n, option in enumerate(options)]


def _blobs(picture: np.ndarray) -> int:
    """How many pieces stand out from the paper."""
    drawn = {(int(y), int(x)) for y, x in np.argwhere(np.abs(picture.astype(int) - picture[0, 0]).max(-1) > 20)}
    many = 0
    while drawn:
        many, edge = many + 1, [drawn.pop()]
        while edge:
            y, x = edge.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & drawn
            drawn -= near
            edge += near
    return many


def skill(name: str) -> Skill:
    return find((name,))[0]


def way(folder: Path, limit: int = 3, seed: int = 0) -> Way:
    return Way(folder, limit, seed, PLAIN)


@pytest.mark.parametrize("one", SKILLS, ids=lambda one: one.name)
def test_every_level_draws_a_question_that_can_be_right(one: Skill) -> None:
    for level in one.levels:
        drawn = one.draw(level, random.Random(f"{level}"), PLAIN)
        again = one.draw(level, random.Random(f"{level}"), PLAIN)
        assert drawn.picture.shape == (224, 224, 3) and drawn.picture.std() > 0
        assert np.array_equal(drawn.picture, again.picture) and drawn.question == again.question
        assert not drawn.choices or (drawn.answer in drawn.choices and len(set(drawn.choices)) == len(drawn.choices))
        gold = {"answer": drawn.answer, "choices": drawn.choices}
        assert one.judge(gold, drawn.answer).score == 1 and one.judge(gold, "").score == 0


def test_as_many_are_drawn_as_are_asked_for() -> None:
    for level in range(1, 16):
        drawn = skill("count").draw(level, random.Random(level), PLAIN)
        assert _blobs(drawn.picture) == level == int(drawn.answer)


def test_darker_and_larger_are_so() -> None:
    for seed in range(8):
        dark = skill("darker").draw(8, random.Random(seed), PLAIN)
        left, right = dark.picture[112, 60, 0], dark.picture[112, 160, 0]
        assert dark.answer == ("left" if left < right else "right")
        large = skill("larger").draw(1.25, random.Random(seed), PLAIN)
        halves = [(half != half[0, 0]).sum() for half in (large.picture[:, :112], large.picture[:, 112:])]
        assert large.answer == ("left" if halves[0] > halves[1] else "right")


def test_absent_things_are_chosen_in_three_ways() -> None:
    rng = random.Random(0)
    for _ in range(50):
        present = absent.scene(rng)
        assert len(set(present)) == absent.MANY
        found = {one: absent.missing(one, present, rng) for one in absent.WAYS}
        assert not set(found.values()) & set(present)
        assert all(absent.COMMON[found["popular"]] >= absent.COMMON[s] for s in SHAPES if s not in present)
        expected = {absent.COMPANY[shape] for shape in present} - set(present)
        assert not expected or found["adversarial"] in expected


@pytest.mark.parametrize(
    ("reply", "said"), [("7", 7), ("There are seven.", 7), ("7 or 8", None), ("many", None), ("Seven, that is 7", 7)]
)
def test_numbers_are_read(reply: str, said: int | None) -> None:
    assert judges.number({"answer": "7"}, reply).parsed == said


@pytest.mark.parametrize("reply", ["stop", "STOP.", 'It says "Stop" here', "The word is stop."])
def test_words_are_read(reply: str) -> None:
    assert judges.copied({"answer": "stop"}, reply).score == 1
    assert judges.copied({"answer": "top"}, reply).score == 0


def test_an_option_is_named_alone() -> None:
    gold = {"answer": "left", "choices": ["left", "right"]}
    assert judges.option(gold, "It is on the Left.").score == 1
    assert judges.option(gold, "left or right").parsed is None


def probed(assistant: Assistant, skill: Skill, way: Way, output: Path) -> Probed:
    """A model that is there, put to one skill."""
    one = laid(assistant, skill, way, output, {})
    one.ask(assistant, one.plain)
    return one.told(assistant.name, way)


def test_curves_show_where_counting_breaks(tmp_path: Path) -> None:
    found = probed(Counter(), skill("count"), way(tmp_path / "pictures"), tmp_path / "run")
    (shares,), (wrong,) = curves.accuracy([found]), curves.errors([found])
    assert [point.at.value for point in shares.points] == [1.0] * 5 + [0.0] * 10
    assert [point.at.value for point in wrong.points] == [0.0] * 5 + [1.0] * 10
    assert all(point.n == 3 and point.at.low <= point.at.value <= point.at.high for point in shares.points)


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    first = Counter()
    probed(first, skill("count"), way(tmp_path / "pictures", 1), tmp_path / "run")
    file = tmp_path / "run" / "count" / "records.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    again = Counter()
    probed(again, skill("count"), way(tmp_path / "pictures", 1), tmp_path / "run")
    assert file.read_bytes() == whole and 0 < again.asked < first.asked == 15
    with pytest.raises(UserError, match="another"):
        probed(again, skill("count"), way(tmp_path / "pictures", 1, seed=1), tmp_path / "run")


def test_options_are_chosen_where_a_model_scores(tmp_path: Path) -> None:
    found = probed(Counter(), skill("larger"), way(tmp_path / "pictures"), tmp_path / "run")
    assert {sample.answer for sample in found.samples} == {"left"}
    assert {sample.finish_reason for sample in found.samples} == {"chosen"}


def test_larger_pictures_ask_the_same(tmp_path: Path) -> None:
    plain, double = items(skill("count"), way(tmp_path)), items(skill("count"), way(tmp_path), 2.0)
    assert [one.gold for one in plain] == [one.gold for one in double]
    shown = double[0].parts[0]
    assert isinstance(shown, Shown) and Image.open(str(shown.picture)).size == (448, 448)


def test_the_page_overlays_models_and_stands_alone(tmp_path: Path) -> None:
    one = probed(Counter(), skill("count"), way(tmp_path / "pictures", 1), tmp_path / "run")
    other = Probed("<b>other</b>", one.skill, one.samples, one.pictures)
    made = page([one, other], "One picture a level.", "chiasm probe skills a b")
    assert made.count("<polyline") == 4 and "&lt;b&gt;other" in made and "<b>other" not in made
    assert not re.search(r"(?:src|href)=[\"'](?!data:|#)", made) and "http" not in made and "<script" not in made
    assert "data:image/png;base64," in made
    assert [line[:3] for line in rows([one])][1] == ("count", "counter", "33")


def test_remedies_are_held_against_the_plain_question(tmp_path: Path) -> None:
    def run(name: str, said: Sequence[str]) -> Probed:
        golds = ["no", "no", "yes", "yes"]
        samples = [
            Sample(str(n), "picture", "as drawn", 0, "", {"answer": gold}, {}, parsed=one, score=float(one == gold))
            for n, (one, gold) in enumerate(zip(said, golds, strict=True))
        ]
        return Probed("a", skill(name), tuple(samples), tmp_path)

    plain, told = run("absent-words", ["yes", "yes", "yes", "yes"]), run("absent-told", ["no", "yes", "yes", "no"])
    before, after = remedies.rows([plain, told, run("count", ["1", "1", "1", "1"])])
    assert before == ("a", "plain", "50", "100", "100", "", "", "")
    assert after[:6] == ("a", "a warning first", "50", "50", "50", "+0") and after[-1] == "1.000"


def test_tokens_spent_are_a_curve(tmp_path: Path) -> None:
    base = Sample("0", "picture", "as drawn", 0, "", {"answer": "3"}, {"level": "3"}, score=1.0)
    shown = (base, replace(base, id="1", variant="pool:2", score=0.0))
    run = Probed("a", skill("count"), shown, tmp_path, {"as drawn": 49, "pool:2": 16, "other": 4})
    ((curve),) = curves.by_tokens([run])
    assert [(point.level, point.at.value) for point in curve.points] == [("16", 0.0), ("49", 1.0)]


def test_the_command_probes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny_folder(tmp_path / "tiny")
    words = [
        "probe",
        "skills",
        str(folder),
        "--only",
        "larger,absent,absent-words,absent-told,table",
        "--limit",
        "1",
        "--out",
        str(tmp_path / "out"),
        "--json",
    ]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert [line["skill"] for line in told] == ["larger", "absent", "absent-words", "absent-told", "table"]
    by_skill = {line["skill"]: line for line in told}
    assert by_skill["larger"]["chance"] == "50" and by_skill["absent"]["yes"] and not by_skill["larger"]["yes"]
    (made,) = (tmp_path / "out").rglob("page.html")
    # Views of this model have a limit, so what tokens it spends is swept too.
    assert "By visual tokens spent" in made.read_text() and "a warning first" in made.read_text()
    (records,) = (tmp_path / "out").rglob("table/records.jsonl")
    shown = [json.loads(line)["slices"]["shown"] for line in records.read_text().splitlines()]
    assert shown.count("longest:28") == shown.count("as drawn") == 5
    assert main(["score", str(tmp_path / "out"), "--json"]) == 0
    again = {one["task"]: one["figures"] for one in json.loads(capsys.readouterr().out)}
    assert [figure["name"] for figure in again["absent"]][:3] == ["accuracy", "yes was said", "level: adversarial"]
    assert [figure["name"] for figure in again["larger"]][1:3] == ["level: 1.05", "level: 1.1"]
    (run,) = [file.parent for file in (tmp_path / "out").rglob("larger/manifest.json")]
    shutil.copytree(run, tmp_path / "again")
    seen = tmp_path / "seen.html"
    assert main(["compare", str(run), str(tmp_path / "again"), "--page", str(seen)]) == 0
    assert seen.read_text().count("data:image/jpeg;base64,") == 5
    assert main(["probe", "skills", str(folder), "--only", "flying"]) == 2
    assert main(["probe", "skills", str(folder), "--limit", "0", "--out", str(tmp_path / "none")]) == 2
    assert main(["probe", "skills"]) == 2
