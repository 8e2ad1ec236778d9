"""Every benchmark from a tiny folder in its published layout: read, asked, scored, summed up."""

import base64
import io
import json
import math
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmark_folders import EXAMPLES, SHOWN, WATCHED, Example, files, hub, png

from chiasm.errors import Offline, UserError
from chiasm.evaluate.benchmarks import embedding, figures, lines, registry
from chiasm.evaluate.benchmarks.rows import Bad, Row, Unusable, fetch, read
from chiasm.evaluate.benchmarks.task import Clip, Item, Judged, Record, repictured
from chiasm.evaluate.scorers import jars, retrieval
from chiasm.prompt.messages import Image, Text


def words(item: Item) -> str:
    return "".join(part.text if isinstance(part, Text) else "[picture]" for part in item.parts)


CASES = [(name, example) for name, several in EXAMPLES.items() for example in several]


def items(name: str, example: Example, folder: Path) -> list[Item]:
    example.write(folder)
    found = list(read(registry.find(name), folder, example.split, example.prompt))
    assert not [one for one in found if isinstance(one, Bad)], found
    return [one for one in found if isinstance(one, Item)]


def test_every_benchmark_has_an_example() -> None:
    assert EXAMPLES.keys() == registry.tasks().keys()


@pytest.mark.parametrize(("name", "example"), CASES, ids=[f"{name}-{n}" for n, (name, _) in enumerate(CASES)])
def test_a_folder_in_the_published_layout(name: str, example: Example, tmp_path: Path) -> None:
    task = registry.find(name)
    found = items(name, example, tmp_path)
    first = found[0]
    assert len(found) == example.items == len({item.id for item in found})
    assert example.asked in words(first), words(first)
    assert any(isinstance(part, Image | Clip) for part in first.parts)
    json.dumps(first.gold), json.dumps(dict(first.groups))
    right, wrong = task.judge(first, example.right), task.judge(first, example.wrong)
    if example.prompt in ("lmms-eval grounding", "Qwen-VL"):
        right, wrong = (task.judge(first, reply, example.prompt) for reply in (example.right, example.wrong))
    assert right.score > 0.5 > wrong.score, (right, wrong)
    assert right.parsed is not None and (example.parsed is ... or right.parsed == example.parsed)
    request = task.request(first, lambda clip: [png(), png()])
    assert len(request.messages) == 1 and request.max_tokens == task.max_tokens
    assert [part for part in request.messages[0].content if isinstance(part, Image)]


@pytest.mark.parametrize(("name", "example"), CASES, ids=[f"{name}-{n}" for n, (name, _) in enumerate(CASES)])
def test_its_summary_under_every_reference(
    name: str, example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "found", lambda: False)  # METEOR takes seconds to start; the golden cases run it
    task = registry.find(name)
    (item, *_) = items(name, example, tmp_path)
    for reference in task.judges:
        records = [task.record(item, reply, reference) for reply in (example.right, example.wrong, "")]
        assert [task.record(record, record.reply, reference) for record in records] == records
        stored = [Record.from_json(json.loads(json.dumps(record.as_json(), allow_nan=False))) for record in records]
        assert task.summary([task.record(one, one.reply, reference) for one in stored]) == task.summary(records)
        found = task.summary(records, reference)
        assert found.reference == reference and found.answered == 3
        assert found.unparsed == sum(record.judged.parsed is None for record in records)
        for figure in found.figures:
            assert math.isfinite(figure.value) and figure.low - 1e-9 <= figure.value <= figure.high + 1e-9, figure
        json.dumps([record.judged.parsed for record in records])


def test_pictures_are_bytes_or_files_that_open(tmp_path: Path) -> None:
    from chiasm.pixels.open import open_picture

    for name, several in EXAMPLES.items():
        for place, example in enumerate(several):
            folder = tmp_path / f"{name}-{place}"
            folder.mkdir()
            for item in items(name, example, folder):
                for part in item.parts:
                    if isinstance(part, Image):
                        assert open_picture(part.picture).pixels.shape == (48, 64, 3)  # type: ignore[arg-type]


def test_rows_that_make_no_question_are_named(tmp_path: Path) -> None:
    rows = [
        {"question_id": n, "question": question, "image": shown, "answers": answers}
        for n, (question, shown, answers) in enumerate(
            [("What?", {"bytes": None, "path": None}, ["a"] * 10), ("What?", SHOWN, None), (None, SHOWN, ["a"] * 10),
             ("What?", SHOWN, ["a"] * 10)]
        )
    ]  # fmt: skip
    hub("data/val2014-00000-of-00001.parquet", rows)(tmp_path)
    found = list(read(registry.find("okvqa"), tmp_path))
    assert [type(one) for one in found] == [Bad, Bad, Bad, Item]
    why = [one.why for one in found if isinstance(one, Bad)]
    assert "no picture" in why[0] and "withheld" in why[1] and "not text" in why[2]
    assert isinstance(found[0], Bad) and found[0].where == "val2014-00000-of-00001.parquet, row 0"


@pytest.mark.parametrize("length", [200, 300, 5000])
def test_a_picture_in_base_64_is_no_name_however_short(length: int, tmp_path: Path) -> None:
    written = base64.b64encode(bytes(length)).decode()
    assert Row({"image": written}, tmp_path, "row 0").picture() == Image(bytes(length))
    with pytest.raises(Unusable, match="which is no file in"):
        Row({"image": written[:-4] + "?.png"}, tmp_path, "row 0").picture()


def test_a_broken_picture_has_no_size(tmp_path: Path) -> None:
    row = {"question_id": "7", "image": {"bytes": b"no picture at all", "path": None}, "answer": ["x"], "bbox": [0, 0, 1, 1]}
    hub("data/val-00000-of-00001.parquet", [row])(tmp_path)
    assert isinstance(next(iter(read(registry.find("refcoco"), tmp_path))), Bad)


def test_a_video_that_is_missing(tmp_path: Path) -> None:
    hub("videomme/test-00000-of-00001.parquet", [WATCHED])(tmp_path)
    (bad,) = read(registry.find("videomme"), tmp_path)
    assert isinstance(bad, Bad) and "abc" in bad.why


def no_network(*_: object, **__: object) -> None:
    raise ConnectionError("Name or service not known")


def test_mistakes_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="mmstar"):
        registry.find("mmstr")
    with pytest.raises(UserError, match=r"data/val-\*\.parquet"):
        list(read(registry.find("mmstar"), tmp_path))
    with pytest.raises(UserError, match="is not there"):
        list(read(registry.find("mmstar"), tmp_path / "nowhere"))
    hub("data/val-00000-of-00001.parquet", [{"index": 1}])(tmp_path)
    with pytest.raises(UserError, match="row 0 has no column 'question'"):
        list(read(registry.find("mmstar"), tmp_path))
    with pytest.raises(UserError, match="known are lmms-eval, as it is"):
        list(read(registry.find("mmstar"), tmp_path, prompt="mine"))
    with pytest.raises(UserError, match="nothing to sum up"):
        registry.find("mmstar").summary([])
    (tmp_path / "data" / "val-00000-of-00001.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="not a whole parquet file"):
        list(read(registry.find("mmstar"), tmp_path))
    monkeypatch.setattr("huggingface_hub.snapshot_download", no_network)
    with pytest.raises(UserError, match=r"could not be asked for Lin-Chen/MMStar .*is there a network"):
        fetch(registry.find("mmstar"))
    monkeypatch.setenv("CHIASM_OFFLINE", "1")
    with pytest.raises(Offline, match="MMStar"):
        fetch(registry.find("mmstar"))
    clip = Item("1", (Clip("a.mp4"), Text("What?")), {}, {})
    with pytest.raises(UserError, match="how frames are chosen"):
        registry.find("mvbench").request(clip)


def test_limit_and_order(tmp_path: Path) -> None:
    rows = [{"question": f"{n}?", "options": ["a", "b"], "answer": "0", "image": SHOWN} for n in range(5)]
    hub("data/test-00000-of-00002.parquet", rows[:3])(tmp_path)
    hub("data/test-00001-of-00002.parquet", rows[3:])(tmp_path)
    found = [words(item) for item in read(registry.find("ai2d"), tmp_path, limit=4) if isinstance(item, Item)]
    assert [text[9] for text in found] == list("0123")


def test_other_pictures_for_the_same_question(tmp_path: Path) -> None:
    (item,) = items("ai2d", EXAMPLES["ai2d"][0], tmp_path)
    assert repictured(item, lambda image: None).parts == item.parts[1:]
    assert repictured(item, lambda image: Image("other.png")).parts[0] == Image("other.png")


def test_published_lines_name_benchmarks_and_splits_apart() -> None:
    assert {line.task for line in lines.LINES} <= registry.tasks().keys()
    assert len({(line.task, line.who, line.split) for line in lines.LINES}) == len(lines.LINES)
    assert all(line.setting and line.source and 0 < line.value < 200 for line in lines.LINES)
    assert {line.who for line in lines.of("mmstar")} == {"chance"}


# Sums


def record(score: float, parsed: Any = "x", gold: Mapping[str, Any] | None = None, **groups: str) -> Record:
    return Record("1", gold or {}, groups, "", Judged(parsed, score))


def test_mmbench_counts_questions_not_turns() -> None:
    gold = [{"index": n} for n in (5, 1_000_005, 6, 1_000_006)]
    records = [record(score, gold=one, ability="a") for score, one in zip((1, 1, 1, 0), gold, strict=True)]
    found = {figure.name: figure for figure in registry.find("mmbench").sums(records)}
    assert found["circular accuracy"].value == 0.5 and found["circular accuracy"].n == 2
    assert found["accuracy of single turns"].value == 0.75


@pytest.mark.slow
@pytest.mark.skipif(not jars.found(), reason=jars.ABSENT)
def test_captions_by_the_exact_programs() -> None:
    gold = {"references": ["A man (right) rides a bike.", "A cyclist."]}
    figured = registry.find("coco-2017").sums([record(1, gold=gold), record(0, gold=gold)])
    assert {figure.name for figure in figured} == {"CIDEr", "ROUGE-L", "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR"}


def test_chartqa_weighs_its_halves_alike() -> None:
    records = [record(1, split="human"), *(record(0, split="augmented") for _ in range(3))]
    assert registry.find("chartqa").sums(records)[0].value == 0.5


def test_videomme_leaves_out_what_it_cannot_read() -> None:
    records = [record(1, "A", duration="short"), record(0, None, duration="short")]
    found = {figure.name: figure.value for figure in registry.find("videomme").sums(records)}
    assert found == {"accuracy": 1, "duration: short": 1, "accuracy, unread is wrong": 0.5}


def test_documents_call_their_figure_by_its_name(tmp_path: Path) -> None:
    (item, *_) = items("docvqa", EXAMPLES["docvqa"][0], tmp_path)
    task = registry.find("docvqa")
    assert [figure.name for figure in task.summary([task.record(item, "x")]).figures] == ["ANLS"]


def test_pope_figures_are_the_scorers() -> None:
    from chiasm.evaluate.scorers import pope

    answers, labels = ["Yes", "Yes.", "no", "no", "yes"], ["yes", "no", "no", "yes", "yes"]
    task = registry.find("pope")
    records = [
        task.record(Item(str(n), (), {"answer": label}, {"category": "random"}), answer)
        for n, (answer, label) in enumerate(zip(answers, labels, strict=True))
    ]
    official, found = pope.summary(answers, labels), {figure.name: figure.value for figure in task.summary(records).figures}
    assert found["F1"] == pytest.approx(official.f1) and found["yes, random"] == official.yes_ratio
    assert found["precision, random"] == official.precision and found["recall, random"] == official.recall


def test_a_letter_that_cannot_be_read_is_drawn_the_same_way_every_time() -> None:
    task = registry.find("mmmu")
    gold = {"id": "validation_Art_1", "answer": "B", "kind": "multiple-choice", "options": {x: x * 9 for x in "ABCD"}}
    drawn = [task.judge(record(0, gold={**gold, "id": f"validation_Art_{n}"}), "?").score for n in range(400)]
    assert drawn == [task.judge(record(0, gold={**gold, "id": f"validation_Art_{n}"}), "?").score for n in range(400)]
    assert 60 < sum(drawn) < 140
    assert task.judge(record(0, gold=gold), "?", "MMMU (unread is wrong)") == Judged(None, 0.0)


def test_intervals_hold_what_they_should() -> None:
    draw = np.random.default_rng(0)
    held = sum(figures.mean("x", (draw.random(200) < 0.3).astype(float).tolist()).low <= 0.3 for _ in range(200))
    assert held >= 190
    one, again = (figures.bootstrap([(1, 1), (0, 1)] * 20, {"x": lambda right, n: right / n})[0] for _ in range(2))
    assert one == again and one.low < 0.5 < one.high and one.stderr == pytest.approx(0.079, abs=0.01)


# What is compared, not asked.


def test_pairs_pages_and_classes(tmp_path: Path) -> None:
    hub("data/test-00000-of-00001.parquet", [
        {"filepath": "val2014", "filename": "a.png", "sentences": ["one", "two"]},
        {"filepath": "val2014", "filename": "b.png", "sentences": ["three", "four"]},
    ])(tmp_path)  # fmt: skip
    files({"val2014/a.png": png(), "val2014/b.png": png()})(tmp_path)
    found = embedding.pairs(tmp_path)
    assert found.texts == ("one", "two", "three", "four") and found.image_of == (0, 0, 1, 1)
    scores = np.array([[0.1, 0.9, 0.0, 0.0], [0.5, 0.0, 0.2, 0.8]])
    ranks = retrieval.image_text_ranks(scores, found.image_of)
    assert list(ranks.text) == [0, 0] and sorted(ranks.image) == [0, 0, 0, 1]

    documents = tmp_path / "pages"
    hub("data/test-00000-of-00001.parquet", [
        {"query": "total?", "image": SHOWN, "image_filename": "p1"}, {"query": None, "image": SHOWN, "image_filename": "p2"},
    ])(documents)  # fmt: skip
    shown = embedding.pages(documents)
    assert shown.questions == ("total?",) and shown.names == ("p1", "p2")
    assert shown.page_of == ("p1",)

    folder = tmp_path / "classes"
    files({"classnames.txt": "cat\ndog\n", "zeroshot_classification_templates.txt": "a photo of a {c}.\n"})(folder)
    (folder / "test").mkdir()
    with tarfile.open(folder / "test" / "0.tar", "w") as tar:
        for name, content in (("s0.png", png()), ("s0.cls", b"1")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    classes = embedding.classes(folder)
    assert classes.prompts() == [["a photo of a cat."], ["a photo of a dog."]]
    assert [number for _, number in classes.pictures()] == [1]
    with pytest.raises(UserError, match=r"classnames\.txt"):
        embedding.classes(tmp_path)
