"""What of an evaluation stands in training data: changed pictures are found and others are not, texts by their words, nothing
that is broken ends a check, and a stopped one goes on."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from benchmark_folders import EXAMPLES
from PIL import Image, ImageOps
from pyarrow import parquet

from chiasm.cli import main
from chiasm.errors import UserError
from chiasm.evaluate.benchmarks import registry
from chiasm.evaluate.benchmarks.rows import Bad
from chiasm.evaluate.leaks import check, page, report, tables
from chiasm.evaluate.leaks.alike import near, stacked
from chiasm.evaluate.leaks.evaluation import gathered
from chiasm.evaluate.leaks.given import Given
from chiasm.evaluate.leaks.looks import look
from chiasm.evaluate.leaks.texts import COMMON, Exchange, Texts, words
from chiasm.render import sample
from chiasm.render.assets import Assets

KINDS = ("bars", "receipt", "mixed shapes", "page")
LONG = "In the year when the river rose above the old bridge how many boats were counted by the keeper of the lock"


NO_QUESTION_IN_WORDS = {"mmmu-pro-vision", "coco-karpathy", "coco-2017", "chair", "refcoco+", "refcocog"}
"""It stands in the picture, or is the same for all."""


def drawn(number: int, kind: str) -> Image.Image:
    return Image.fromarray(sample(number, 3, "train", kind, 224, Assets((), (), ())).picture)


def compressed(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=40)
    return Image.open(file).convert("RGB")


def is_near(first: Image.Image, second: Image.Image) -> bool:
    one, other = (stacked([look(np.asarray(picture.convert("RGB")))]) for picture in (first, second))
    assert one and other
    return bool(near(one, other))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "change",
    [
        compressed,
        lambda p: p.resize((140, 170)),
        lambda p: p.resize((500, 500)),
        lambda p: p.convert("L"),
        lambda p: ImageOps.expand(p, 30, (0, 0, 0)),
        lambda p: p.crop((6, 4, 219, 221)),
        lambda p: ImageOps.pad(compressed(p).resize((180, 180)), (300, 200), color=(255, 255, 255)),
    ],
    ids=["jpeg", "squeezed", "larger", "grey", "border", "crop", "letterbox"],
)
def test_a_changed_picture_is_near(kind: str, change: Callable[[Image.Image], Image.Image]) -> None:
    picture = drawn(0, kind)
    assert is_near(picture, change(picture))


@pytest.mark.parametrize("kind", KINDS)
def test_another_picture_of_the_same_kind_is_not_near(kind: str) -> None:
    pictures = [stacked([look(np.asarray(drawn(number, kind)))]) for number in range(6)]
    for one in range(6):
        for other in range(one):
            first, second = pictures[one], pictures[other]
            assert first and second
            assert not near(first, second)


def test_an_even_picture_has_no_look() -> None:
    assert look(np.full((40, 60, 3), 200, np.uint8)) is None


def test_a_thin_picture_has_one() -> None:
    assert look(np.random.default_rng(0).integers(0, 255, (1, 4000, 3), np.uint8)) is not None


def levels(texts: Texts, *rows: tuple[list[Exchange], list[str]]) -> list[dict[int, str]]:
    return [{hit.item: hit.level for hit in some} for some in texts.hits(rows)[0]]


def test_questions_and_answers_are_found_within_a_prompt() -> None:
    texts = Texts([[Exchange("What colour is the bus?", ("Dark blue", "navy"))], [Exchange("Who won?", ("Ann",))]], [[], []])
    prompted = "<image>\nWhat colour is the bus?\nAnswer the question using a single word or phrase."
    found = levels(
        texts, ([Exchange(prompted, ("dark  blue.",))], []), ([Exchange(prompted, ("red",))], []),
        ([Exchange("What colour is the bus stop?", ("navy",))], []), ([Exchange("Hint: none\nwho WON", ("Ann!",))], []),
    )  # fmt: skip
    assert found == [{0: "question and answer"}, {0: "question"}, {}, {1: "question and answer"}]


def test_the_answer_must_be_to_that_question() -> None:
    texts = Texts([[Exchange("Who won?", ("Ann",))]], [[]])
    assert levels(texts, ([Exchange("Who won?", ("Bob",)), Exchange("Who lost?", ("Ann",))], [])) == [{0: "question"}]


def test_a_long_answer_is_found_by_itself_and_a_short_one_is_not() -> None:
    caption = "two dogs run after a ball on the beach"
    texts = Texts([[Exchange("", (caption,))], [Exchange("", ("a dog",))]], [[], []])
    assert levels(texts, ([], [caption.title()]), ([], ["A dog."])) == [{0: "answer"}, {}]


def test_runs_of_words_give_shares_and_cover_over_rows() -> None:
    total = len(words(LONG)) - 12
    texts = Texts([[Exchange(LONG, ())], [Exchange("short", ())]], [[], []])
    first, second = " ".join(LONG.split()[:15]), " ".join(LONG.split()[-14:])
    hits, fresh = texts.hits([([], [f"We asked: {first} and so on"]), ([], [first.upper()])])
    assert [[(hit.item, hit.level, hit.share) for hit in some] for some in hits] == [[(0, "runs", round(3 / total, 4))]] * 2
    assert len(fresh) == 3
    assert texts.hits([([], [first])])[1] == []
    texts.hits([([], [second])])
    covered = texts.covered()
    assert covered[0] == pytest.approx(min(total, 5) / total)
    assert np.isnan(covered[1])


def test_runs_do_not_reach_from_one_text_into_the_next() -> None:
    texts = Texts([[Exchange(LONG, ())]], [[]])
    parts = LONG.split()
    assert levels(texts, ([], [" ".join(parts[:12]), " ".join(parts[12:])])) == [{}]


def test_what_a_prompt_adds_to_every_question_is_left_out() -> None:
    prompt = "Look well at the picture above and then answer in one single word or a number please"
    texts = Texts([[Exchange(f"What is {number}?\n{prompt}", ())] for number in range(COMMON + 1)], [[]] * (COMMON + 1))
    assert texts.common > 0
    assert levels(texts, ([], [prompt])) == [{}]


def test_chinese_is_counted_by_signs() -> None:
    assert words("图中的 cat 是什么颜色？") == [*"图中的", "cat", *"是什么颜色"]


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """Three own questions; the second's picture is the first's again."""
    folder = tmp_path / "asked"
    folder.mkdir()
    rows = []
    for number, kind in enumerate(("bars", "bars", "receipt")):
        drawn(0, kind).save(folder / f"{kind}.png")
        rows.append(
            {"id": f"q{number}", "image": f"{kind}.png", "question": f"Number {number}: {LONG}?", "answer": str(number)}
        )
    (folder / "own.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


TRAINING: dict[str, Callable[[Path], list[dict[str, object]]]] = {
    "llava.json": lambda f: [
        {"id": 1, "image": "small.jpg", "conversations": [{"from": "human", "value": f"<image>\nNumber 0: {LONG}?\nBriefly."},
                                                          {"from": "gpt", "value": "0"}]},
    ],
    "openai.jsonl": lambda f: [
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": data_url(f / "small.jpg")}},
                                                   {"type": "text", "text": f"Number 0: {LONG}?"}]},
                      {"role": "assistant", "content": "0"}]},
    ],
    "cauldron.parquet": lambda f: [
        {"images": [{"bytes": (f / "small.jpg").read_bytes(), "path": None}],
         "texts": [{"user": f"Number 0: {LONG}?", "assistant": "0"}]},
    ],
    "kit.tsv": lambda f: [
        {"index": 4, "image": base64.b64encode((f / "small.jpg").read_bytes()).decode(), "question": f"Number 0: {LONG}?",
         "answer": "0"},
    ],
    "own.csv": lambda f: [{"image": "small.jpg", "question": f"Number 0: {LONG}?", "answer": "0"}],
}  # fmt: skip


def data_url(file: Path) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(file.read_bytes()).decode()}"


def store(file: Path, rows: Sequence[Mapping[str, object]]) -> None:
    match file.suffix:
        case ".json":
            file.write_text(json.dumps(rows))
        case ".jsonl":
            file.write_text("\n".join(map(json.dumps, rows)))
        case ".parquet":
            parquet.write_table(pyarrow.Table.from_pylist([*rows]), file)
        case ".tsv" | ".csv":
            mark = "\t" if file.suffix == ".tsv" else ","
            file.write_text("\n".join(mark.join(map(str, line)) for line in (rows[0], *(row.values() for row in rows))))


@pytest.mark.parametrize("name", TRAINING)
def test_every_form_of_training_data_is_looked_through(
    name: str, asked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training = tmp_path / "training"
    training.mkdir()
    compressed(drawn(0, "bars").resize((200, 200))).save(training / "small.jpg")
    store(training / name, TRAINING[name](training))
    output = tmp_path / "out"
    assert main(["leaks", str(asked), "--train", str(training / name), "--output", str(output), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    counts = {(line["what"], line["how"]): (line["count"], line["of"]) for line in said["lines"]}
    assert counts["pictures", "near"] == (1, 2)
    assert counts["texts, whole", "question and answer"] == (1, 3)
    assert counts["picture and text in one row", "question and answer"] == (1, 3)
    assert said["unusable in the training data"] == 0
    pairs = [json.loads(line) for line in (output / report.PAIRS).read_text().splitlines()]
    assert [pair["evaluation"] for pair in pairs if pair["kind"] == "picture"] == [["q0", "q1"]]
    assert {pair["training"] for pair in pairs} == {f"{training / name}, row 0"}


def test_a_folder_of_pictures_by_level(asked: Path, tmp_path: Path) -> None:
    training = tmp_path / "training" / "deep"
    training.mkdir(parents=True)
    (training / "copy.png").write_bytes((asked / "bars.png").read_bytes())
    drawn(0, "receipt").save(training / "again.bmp")
    looked_for = gathered(tables.read([asked]))
    found = report.found(looked_for, check.checked(looked_for, tables.read([training.parent]), tmp_path / "out", {}))
    assert sorted(found.by_picture().values()) == ["same file", "same pixels"]
    assert [seen.where for seen in found.seen] == [str(training / name) for name in ("again.bmp", "copy.png")]


def test_what_is_wrong_is_named_and_the_rest_is_read(asked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training = tmp_path / "training"
    training.mkdir()
    (training / "cut.png").write_bytes((asked / "bars.png").read_bytes()[:300])
    good = json.dumps({"image": str(asked / "receipt.png"), "question": f"Number 2: {LONG}?", "answer": "2"})
    rows = ['{"image": "cut.png", "question": "cut?"}', '{"image": "gone.png", "question": "gone?"}', '{"broken', "[1]", "7",
            '{"question": {"a": 1}, "image": null}', '{"image": "https://a.b/c.png", "question": "x"}', good]  # fmt: skip
    (training / "a.jsonl").write_text("\n".join(rows) + "\n")
    (training / "b.parquet").write_bytes(b"PAR1 no more")
    (training / "c.jsonl").write_bytes(b"\xff\xfe\n" + good.encode())
    output = tmp_path / "out"
    assert main(["leaks", str(asked), "--train", str(training), "--output", str(output)]) == 0
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    bad = [json.loads(line) for line in (output / report.BAD).read_text().splitlines()]
    where = [one["where"].removeprefix(f"{training}/") for one in bad]
    assert where == [*(f"a.jsonl, row {number}" for number in range(7)), "b.parquet", "c.jsonl, row 0"]
    pairs = [json.loads(line) for line in (output / report.PAIRS).read_text().splitlines()]
    assert [(p["training"].removeprefix(f"{training}/"), p["level"]) for p in pairs if p["kind"] == "picture"] == [
        ("a.jsonl, row 7", "same file"), ("c.jsonl, row 1", "same file")]  # fmt: skip


@pytest.mark.parametrize("cut", [0, 40])
def test_a_stopped_check_goes_on(asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    training = tmp_path / "training"
    training.mkdir()
    for number in range(5):
        drawn(number, "bars").save(training / f"{number}.png")
    rows = [{"image": f"{n}.png", "question": f"Number {n}: {LONG}?", "answer": str(n)} for n in range(5)]
    store(training / "own.jsonl", rows)
    monkeypatch.setattr(check, "AT_ONCE", 2)

    def run(folder: Path, most: int | None = None) -> report.Found:
        looked_for = gathered(tables.read([asked]))
        blocks = check.checked(looked_for, tables.read([training]), folder, {})
        return report.found(looked_for, blocks if most is None else (next(blocks) for _ in range(most)))

    whole = run(tmp_path / "whole")
    run(tmp_path / "stopped", 2)
    log = tmp_path / "stopped" / check.LOG
    log.write_bytes(log.read_bytes()[: -cut or None])
    again = run(tmp_path / "stopped")
    assert log.read_bytes() == (tmp_path / "whole" / check.LOG).read_bytes()
    assert report.as_json(again) == report.as_json(whole)
    assert list(report.pairs(again)) == list(report.pairs(whole))


def test_another_check_is_not_gone_on_with(asked: Path, tmp_path: Path) -> None:
    looked_for = gathered(tables.read([asked]))
    list(check.checked(looked_for, [], tmp_path / "out", {"training data": "a"}))
    with pytest.raises(UserError, match="another training data"):
        list(check.checked(looked_for, [], tmp_path / "out", {"training data": "b"}))


def test_a_folder_that_takes_nothing_says_so(
    asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    real = Path.open

    def full(path: Path, *how: Any, **more: Any) -> Any:
        return real(Path("/dev/full") if path.name == check.LOG else path, *how, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        assert main(["leaks", str(asked), "--train", str(asked), "--output", str(output)]) == 2
    assert "make room and start the same check again" in capsys.readouterr().err
    assert main(["leaks", str(asked), "--train", str(asked), "--output", str(output), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["training rows"] == 3


def test_pictures_alone_have_no_lines_of_texts(asked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (asked / "own.jsonl").unlink()
    assert main(["leaks", str(asked), "--train", str(asked), "--output", str(tmp_path / "out"), "--json"]) == 0
    counted = [(one["what"], one["count"], one["of"]) for one in json.loads(capsys.readouterr().out)["lines"]]
    assert counted == [("pictures", 2, 2), ("pictures", 0, 2), ("pictures", 0, 2)]


def test_what_stands_everywhere_is_listed_a_few_times(asked: Path, tmp_path: Path) -> None:
    looked_for = gathered(tables.read([asked]))
    rows = [Given(str(n), str(n), (), (Exchange(f"Number 0: {LONG}?", ()),), ()) for n in range(3 * check.LISTED)]
    found = report.found(looked_for, check.checked(looked_for, rows, tmp_path / "out", {}))
    assert sum(one.item == 0 for one in found.read) == check.LISTED
    assert found.rows == 3 * check.LISTED


def test_the_page_shows_pairs_and_runs_nothing_of_them(asked: Path, tmp_path: Path) -> None:
    training = tmp_path / "<script>alert(1)"
    training.mkdir()
    compressed(drawn(0, "bars")).save(training / "a.jpg")
    question = f"Number 2: {LONG}?"
    (training / "own.jsonl").write_text(json.dumps({"image": "a.jpg", "question": question, "answer": "<b>no</b>"}))
    output = tmp_path / "out"
    assert main(["leaks", str(asked), "--train", str(training), "--output", str(output)]) == 0
    shown = (output / page.PAGE).read_text()
    assert shown.count("<script") == 0
    assert shown.count("data:image/jpeg;base64,") == 2
    assert "http" not in shown.replace("http-equiv", "")
    assert "evaluation: q0, q1" in shown
    assert question in shown


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_benchmark_finds_itself(name: str, tmp_path: Path) -> None:
    """Its questions as it publishes them, looked for in themselves."""
    example = EXAMPLES[name][0]
    example.write(tmp_path)
    rows = [one for one in tables.asked(registry.find(name), tmp_path, example.split, None) if not isinstance(one, Bad)]
    assert rows[0].exchanges
    looked_for = gathered(rows)
    found = report.found(looked_for, check.checked(looked_for, rows, tmp_path / "out", {}))
    in_words = {number for number, row in enumerate(rows) if any(words(one.question) for one in row.exchanges)}
    assert in_words or name in NO_QUESTION_IN_WORDS
    assert in_words <= set(found.by_text())
    assert len(found.by_picture()) == len(looked_for.pictures)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["gone.jsonl", "--train", "x"], "there is no gone.jsonl"),
        (["{asked}", "--train", "gone"], "there is no gone"),
        (["{asked}", "--train", "{empty}"], "holds no table"),
        (["{asked}", "--train", "{asked}", "--tasks", "mmstarr"], "mmstar"),
        (["{asked}", "--train", "{asked}", "--pictures", "gone"], "--pictures"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str], says: str, asked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    named = [one.format(asked=asked, empty=tmp_path / "empty") for one in arguments]
    assert main(["leaks", *named, "--output", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err.strip()
    assert says in told
    assert "\n" not in told
