"""Which of two runs' answers a judge prefers: both orders, its pictures, what places weigh, failures, people."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, Reply, chat_server, cut, fails, says
from PIL import Image
from test_compare import written
from test_judge import between, judge_at, surroundings
from tiny_folder import tiny_folder

from chiasm.cli import main
from chiasm.errors import RemoteFailure, UserError
from chiasm.evaluate.judge import forms
from chiasm.evaluate.judge.duel import Alike, Duels, Steady, Swayed, Unjudged, duels
from chiasm.evaluate.judge.judge import Blind, Judge, Sighted
from chiasm.evaluate.judge.preferences import agreement, people, preferences, told
from chiasm.evaluate.runs.compare import Pair, compared
from chiasm.evaluate.runs.models import about
from chiasm.loading import load
from chiasm.remote.bill import Bill

__all__ = ["surroundings"]

Chooses = Callable[[str, str], str]
"""What a judge says of the reply in the first place and of the one in the second."""


def by_truth(first: str, second: str) -> str:
    right = ["red" in reply for reply in (first, second)]
    return "tie" if right[0] == right[1] else "first" if right[0] else "second"


def referee(chooses: Chooses, colour: str = "Red.") -> Reply:
    """Names the colour of a picture when it is asked for that, and judges else."""

    def reply(handler: Any, body: dict[str, Any]) -> None:
        prompt = words_of(body)
        if "<first-reply" not in prompt:
            says(colour)(handler, body)
            return
        verdict = chooses(between(prompt, "first-reply"), between(prompt, "second-reply"))
        says("I looked at both.\n", f"Verdict: {verdict}")(handler, body)

    return reply


def words_of(body: dict[str, Any]) -> str:
    content = body["messages"][0]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def pictures_of(body: dict[str, Any]) -> list[Any]:
    content = body["messages"][0]["content"]
    return [] if isinstance(content, str) else [part for part in content if part["type"] == "image_url"]


@pytest.fixture
def server() -> Any:
    with chat_server(referee(by_truth)) as running:
        yield running


def runs(folder: Path, first: Sequence[float], second: Sequence[float], pictured: bool = True) -> list[Path]:
    """Two runs that say "red" where they score 1, else that it is blue, each in words of its own."""
    shown = folder / "shown"
    shown.mkdir()
    for number in range(len(first)):
        Image.new("RGB", (12, 9), (10 * number, 7, 9)).save(shown / f"{number}.png")
    sides = (("alpha", first), ("beta", second))
    return [written(folder / name, name, scores, shown if pictured else None) for name, scores in sides]


def pair_of(folders: Sequence[Path]) -> Pair:
    ((pair,),) = (one.pairs for one in compared(folders))
    return pair


def judged(server: ChatServer, folders: Sequence[Path]) -> Duels:
    return duels(pair_of(folders), judge_at(server))


# --- what is asked ----------------------------------------------------------------------------------------------------


def test_each_two_answers_are_shown_in_both_orders_with_the_picture_and_without_names(
    server: ChatServer, tmp_path: Path
) -> None:
    made = judged(server, runs(tmp_path, [1, 0, 1, 0], [0, 1, 1, 0]))
    trial, *asked = (heard.body for heard in server.heard)
    assert "colour" in words_of(trial) and len(pictures_of(trial)) == 1
    # The third answers are the same words: nobody is asked about them.
    assert len(asked) == 6 and isinstance(made.duels[2].finding, Alike) and made.alike == 1
    orders = [(between(words_of(body), "first-reply"), between(words_of(body), "second-reply")) for body in asked]
    assert len(set(orders)) == 6 and set(orders) == {(b, a) for a, b in orders}
    for body in asked:
        (picture,) = pictures_of(body)
        assert Image.open(io.BytesIO(base64.b64decode(picture["image_url"]["url"].partition(",")[2]))).size == (12, 9)
        assert "Which colour?" in between(words_of(body), "question") and body["temperature"] == 0
        assert "alpha" not in words_of(body).replace("alpha says blue", "")
    assert [duel.finding for duel in made.duels] == [Steady("first"), Steady("second"), Alike(), Steady("tie")]
    assert made.forms == {forms.PREFER_SEEN.name: forms.PREFER_SEEN.hash} and made.sight == Sighted("Red.")


def test_wins_ties_and_losses_have_intervals(server: ChatServer, tmp_path: Path) -> None:
    made = judged(server, runs(tmp_path, [1, 0, 0, 0, 0, 0, 1, 0], [0, 1, 1, 1, 1, 1, 1, 0]))
    counts = {name: made.share(name)[0] for name in ("first", "tie", "second")}
    assert counts == {"first": 1, "tie": 2, "second": 5}
    share, lead = made.share("second")[1], made.lead
    assert share is not None and share.low < 5 / 8 < share.high and lead is not None
    assert lead[0].value == pytest.approx(4 / 8) and lead[0].low < 0.5 < lead[0].high
    assert lead[1] == pytest.approx(2 * (1 + 6) / 2**6)


def test_several_answers_to_one_question_are_one_question(server: ChatServer, tmp_path: Path) -> None:
    folders = runs(tmp_path, [0, 1], [1, 0])
    for folder, score in zip(folders, (0.0, 1.0), strict=True):
        lines = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
        more = [{**line, "seed": 1, "answer": "red" if score else "blue"} for line in lines if line["id"] == "0"]
        (folder / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*lines, *more]))
    made = judged(server, folders)
    assert len(made.duels) == 3 and made.winners == {"0": "second", "1": "first"}


def test_a_question_that_a_side_did_not_answer_is_not_asked(server: ChatServer, tmp_path: Path) -> None:
    folders = runs(tmp_path, [0, 1], [1, 0])
    lines = [json.loads(line) for line in (folders[1] / "records.jsonl").read_text().splitlines()]
    gone = [{**line, **({"answer": None, "error": "lost"} if line["id"] == "0" else {})} for line in lines]
    (folders[1] / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in gone))
    made = judged(server, folders)
    assert made.unanswered == 1 and [duel.id for duel in made.duels] == ["1"]


def test_words_alone_are_asked_where_the_judge_takes_no_picture(server: ChatServer, tmp_path: Path) -> None:
    usual = server.usual
    server.usual = lambda handler, body: (
        fails(400, "no vision here")(handler, body) if pictures_of(body) else usual(handler, body)
    )
    made = judged(server, runs(tmp_path, [1, 0], [0, 1]))
    assert isinstance(made.sight, Blind) and "no vision here" in made.sight.why
    assert made.forms == {forms.PREFER_BLIND.name: forms.PREFER_BLIND.hash}
    assert [duel.finding for duel in made.duels] == [Steady("first"), Steady("second")]


def test_a_question_without_a_picture_says_so(server: ChatServer, tmp_path: Path) -> None:
    folders = runs(tmp_path, [1], [0], pictured=False)
    for folder in folders:
        records = folder / "records.jsonl"
        records.write_text(records.read_text().replace("<picture>", ""))
    assert list(judged(server, folders).forms) == [forms.PREFER_BLIND.name]


def test_a_picture_that_is_gone_is_no_verdict(server: ChatServer, tmp_path: Path) -> None:
    folders = runs(tmp_path, [1, 1], [0, 0])
    (tmp_path / "shown" / "0.png").unlink()
    made = judged(server, folders)
    assert [type(duel.finding) for duel in made.duels] == [Unjudged, Steady]
    with pytest.raises(UserError, match="does not say where its pictures are"):
        judged(server, runs_without_data(tmp_path / "more"))


def runs_without_data(folder: Path) -> list[Path]:
    folder.mkdir()
    return [written(folder / name, name, scores) for name, scores in (("alpha", [1.0]), ("beta", [0.0]))]


# --- places -----------------------------------------------------------------------------------------------------------


def test_a_verdict_that_flips_with_the_order_is_a_tie_and_counted(
    server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First place whatever stands there; then a tie wherever it would be the second."""
    server.usual = referee(lambda one, other: "first")
    made = judged(server, runs(tmp_path, [1, 0, 1, 0, 1], [0, 1, 0, 1, 0]))
    assert {duel.finding for duel in made.duels} == {Swayed("first")}
    assert made.share("tie")[0] == 5 and made.swayed["first"] == 5
    assert made.by_place == pytest.approx(2 / 2**5)
    assert told(made.duels[0]) == "tie: the first place preferred in both orders"
    server.usual = referee(lambda one, other: "first" if one < other else "tie")
    monkeypatch.setenv("CHIASM_HOME", str(tmp_path / "again"))
    (tmp_path / "again").mkdir()
    half = judged(server, runs(tmp_path / "again", [1], [0]))
    assert half.duels[0].finding == Swayed(None) and half.swayed["first"] == 0


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (says("They are both lovely."), "no verdict in the form"),
        (says("Verdict: the first one"), "no verdict in the form"),
        (says("Verdict: fir", reason="length"), "no end"),
        (fails(400, "too long"), "too long"),
    ],
)
def test_nonsense_is_counted_as_unparsed_and_in_no_figure(
    reply: Reply,
    why: str,
    server: ChatServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folders, usual = runs(tmp_path, [1, 0, 1], [0, 1, 1]), server.usual
    server.usual = lambda handler, body: (
        usual(handler, body) if "<first-reply" not in words_of(body) or "alpha" in words_of(body) else reply(handler, body)
    )
    made = judged(server, folders)
    assert [type(duel.finding) for duel in made.duels] == [Unjudged, Steady, Alike]
    assert len(made.winners) == 2 and why in made.unjudged[0][1]
    server.usual = reply
    name, page = f"openai:referee@{server.url}/v1", tmp_path / "page.html"
    monkeypatch.setenv("CHIASM_HOME", str(tmp_path / "other"))
    (tmp_path / "other").mkdir()
    fresh = [str(one) for one in runs(tmp_path / "other", [1, 0], [0, 1])]
    assert main(["compare", *fresh, "--judge", name, "--page", str(page)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"own +alpha +beta( +0){6} +2$", said, re.MULTILINE) and "unparsed pairs, in no figure: 2" in said


@pytest.mark.parametrize("trouble", [fails(429, "slow down", retry_after="0"), fails(500, "oh"), cut("Verd")])
def test_what_passes_is_tried_again(trouble: Reply, server: ChatServer, tmp_path: Path) -> None:
    server.script += [server.usual, trouble]
    made = judged(server, runs(tmp_path, [1, 0], [0, 1]))
    assert not made.unjudged and len(made.winners) == 2 and len(server.heard) == 1 + 1 + 4


def test_a_judge_that_dies_half_way_loses_nothing(server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chiasm.evaluate.judge.judge.BATCH", 1)
    folders = runs(tmp_path, [1, 0, 0], [0, 1, 1])
    server.script += [server.usual, server.usual, server.usual, fails(500, "gone"), fails(500, "gone")]
    with pytest.raises(RemoteFailure, match="run it again later"):
        judged(server, folders)
    before = len(server.heard)
    made = judged(server, folders)
    assert made.bill == Bill(4, 3, 4 * 31, 8) and len(server.heard) == before + 4
    assert len(made.winners) == 3
    again = judged(server, folders)
    assert again.bill == Bill(kept=7) and len(server.heard) == before + 4 and again.duels == made.duels


def test_a_judge_on_this_machine_keeps_what_it_said(tmp_path: Path) -> None:
    folders, folder = runs(tmp_path, [1, 0], [0, 1]), tiny_folder(tmp_path / "tiny", context=4000)
    model = load(str(folder))
    first, second = (duels(pair_of(folders), Judge(model, about(model, str(folder)))) for _ in range(2))
    assert (first.bill.requests, first.bill.kept) == (5, 0) and (second.bill.requests, second.bill.kept) == (0, 5)
    assert first.duels == second.duels and len(first.unjudged) == 2


# --- people, the table and the page -------------------------------------------------------------------------------------


def test_people_are_held_against_the_judge_by_kappa(server: ChatServer, tmp_path: Path) -> None:
    pair = pair_of(runs(tmp_path, [1, 0, 1, 0, 0], [0, 1, 1, 1, 0]))
    made = duels(pair, judge_at(server))
    file = tmp_path / "people.csv"
    file.write_text("id,label\n0,alpha\n1,Second\n2,tie\n3,first\n4,both\n77,tie\n")
    found = agreement(made, file, pair)
    assert (found.n, found.raw.value, found.elsewhere, found.unjudged) == (5, 0.8, 1, 0)
    # Both: first 1 or 2, tie 2, second 2 or 1 of five; by chance (2 x 1 + 2 x 2 + 1 x 2) / 25.
    assert found.kappa is not None and found.kappa.value == pytest.approx((0.8 - 8 / 25) / (1 - 8 / 25))
    assert found.table["first", "second"] == 1 and found.weights == "none"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,label\n0,perhaps\n", "write first, second or tie (or alpha or beta)"),
        ("id,mark\n0,first\n", "must have id and label"),
        ("id,label\n99,first\n", "labels no question that has a verdict"),
    ],
)
def test_labels_that_cannot_be_used_say_where(content: str, said: str, server: ChatServer, tmp_path: Path) -> None:
    pair, file = pair_of(runs(tmp_path, [1], [0])), tmp_path / "people.csv"
    file.write_text(content)
    with pytest.raises(UserError, match=re.escape(said)):
        agreement(duels(pair, judge_at(server)), file, pair)


def test_the_command_shows_writes_and_pages_it(
    server: ChatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHIASM_API_KEY", "sk-never-written-1234")
    folders = [str(one) for one in runs(tmp_path, [1, 0, 0, 1], [0, 1, 1, 1])]
    (tmp_path / "people.jsonl").write_text("".join(json.dumps({"id": n, "label": "beta"}) + "\n" for n in range(3)))
    name, page = f"openai:referee@{server.url}/v1", tmp_path / "out" / "page.html"
    page.parent.mkdir()
    words = ["compare", *folders, "--judge", name, "--human", str(tmp_path / "people.jsonl"), "--page", str(page)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert re.search(r"own +alpha +beta +4 +2 +[\d. to]+ +1 +1 +", said)
    assert f"preferences of {name} (preference, pictures shown {forms.PREFER_SEEN.hash[:12]})" in said
    assert "flipped with the order, 0 of 3" in said and "agree on 66.7 %" in said and "is shown the pictures" in said
    lines = [json.loads(line) for line in page.with_suffix(".preferences.jsonl").read_text().splitlines()]
    assert [line["finding"] for line in lines] == [
        "the first run preferred", "the second run preferred", "the second run preferred", "tie: the same words"]  # fmt: skip
    assert lines[0]["said"] == [f"I looked at both.\nVerdict: {place}" for place in ("first", "second")]
    shown = page.read_text()
    assert "What a judge prefers" in shown and "the second run preferred" in shown
    assert "sk-never" not in "".join(file.read_text() for file in page.parent.iterdir())
    assert main([*words, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    (preferred,) = one["preferences"]
    assert preferred["preferred"]["second"]["count"] == 2 and preferred["bill"]["requests"] == 0
    assert preferred["judge"]["service"]["model"] == "referee" and preferred["agreement with people"]["n"] == 3


def test_a_judge_that_calls_red_blue_may_not_see(
    server: ChatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.usual = referee(by_truth, colour="Blue")
    folders = [str(one) for one in runs(tmp_path, [1], [0])]
    words = ["--judge", f"openai:referee@{server.url}/v1", "--page", str(tmp_path / "page.html")]
    assert main(["compare", *folders, *words]) == 0
    assert "called a red one 'Blue': it may not see them" in capsys.readouterr().out


def test_people_say_of_two_runs_only(server: ChatServer, tmp_path: Path) -> None:
    folders = [*runs(tmp_path, [1], [0]), written(tmp_path / "gamma", "gamma", [1], tmp_path / "shown")]
    file = tmp_path / "people.csv"
    file.write_text("id,label\n0,first\n")
    assert people(file, pair_of(folders[:2])) == {"0": "first"}
    with pytest.raises(UserError, match="name two runs of one task"):
        preferences(compared(folders), judge_at(server), file, tmp_path / "verdicts.jsonl")
    assert not server.heard


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--human", "people.csv"], "name one with --judge"),
        (["--judge", "openai:"], "names no model"),
        (["--judge", "nowhere"], "nowhere"),
        (["--judge", "openai:m@http://127.0.0.1:9/v1", "--human", "gone.csv"], "there is no gone.csv"),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [str(one) for one in runs(tmp_path, [1], [0])]
    assert main(["compare", *folders, *words, "--page", str(tmp_path / "page.html")]) == 2
    told = capsys.readouterr().err
    assert said in told and "Traceback" not in told
