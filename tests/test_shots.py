"""Examples before a question: from a training split, by seed, never the question itself or its picture; as turns that each
family's template writes in its own way; told in records and manifest, and held against each other when runs are compared."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet
from tiny_folder import tiny_folder

from chiasm.assistant import Answer, Assistant, Done, Event, Request, Usage, Verb
from chiasm.cli import main
from chiasm.errors import UserError
from chiasm.evaluate.benchmarks import registry, shots
from chiasm.evaluate.benchmarks.rows import read
from chiasm.evaluate.benchmarks.shots import Few, Pool, pool
from chiasm.evaluate.benchmarks.task import Item
from chiasm.evaluate.runs import runner
from chiasm.evaluate.runs.compare import compared
from chiasm.evaluate.runs.run import Wanted, asked
from chiasm.evaluate.runs.setting import Setting
from chiasm.evaluate.runs.store import Store
from chiasm.families.flamingo import CHAT as FLAMINGO
from chiasm.prompt.chat import ChatTemplate
from chiasm.prompt.messages import Text

COLOURS = ("red", "green", "blue", "white", "black", "grey")


def png(number: int) -> dict[str, Any]:
    file = io.BytesIO()
    Image.new("RGB", (30, 30), (40 * number, 250 - 40 * number, 9)).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def row(number: int, picture: int, **other: object) -> dict[str, Any]:
    answers = [COLOURS[number % 6]] * 2 + ["odd"]
    return {
        "question_id": str(number),
        "question": f"Which colour is {number}?",
        "image": png(picture),
        "answers": answers,
        **other,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two questions; of six training rows one is the first question, and one shows its picture."""
    made = tmp_path / "okvqa"
    (made / "data").mkdir(parents=True)
    asked, training = [row(0, 0), row(1, 1)], [row(0, 5), row(7, 0), row(2, 2), row(3, 3), row(4, 4), row(5, 5)]
    for name, rows in (("val2014-00000", asked), ("train-00000", training)):
        parquet.write_table(pyarrow.Table.from_pylist(rows), made / "data" / f"{name}-of-00001.parquet")
    return made


def pooled(folder: Path, seed: int, name: str = "okvqa", prompt: str | None = "Flamingo") -> Pool:
    task = registry.find(name)
    assert task.few
    return pool(task, task.few, folder, prompt, seed)


def drawn(folder: Path, few: Few, name: str = "okvqa", prompt: str | None = "Flamingo") -> list[Item]:
    task, examples = registry.find(name), pooled(folder, few.seed, name, prompt)
    return [examples.drawn(item, few) for item in read(task, folder, prompt=prompt) if isinstance(item, Item)]


def ids(item: Item) -> list[str]:
    return [shot.id for shot in item.shots]


def test_examples_are_never_the_question_nor_show_its_picture(folder: Path) -> None:
    for seed in range(20):
        first, second = drawn(folder, Few(4, seed=seed))
        assert set(ids(first)) == {"2", "3", "4", "5"}
        assert set(ids(second)) < {"0", "7", "2", "3", "4", "5"}
        assert len(ids(second)) == 4


def test_examples_depend_on_seed_and_question_alone(folder: Path) -> None:
    once, again = drawn(folder, Few(2)), drawn(folder, Few(2))
    assert once == again
    examples = pooled(folder, 0)
    assert examples.drawn(replace(once[1], shots=()), Few(2)) == once[1]
    assert len({tuple(ids(drawn(folder, Few(2, seed=seed))[1])) for seed in range(8)}) > 3


def test_fewer_examples_are_the_first_of_more(folder: Path) -> None:
    assert [ids(item) for item in drawn(folder, Few(2))] == [ids(item)[:2] for item in drawn(folder, Few(4))]


def test_examples_are_earlier_turns(folder: Path) -> None:
    task = registry.find("okvqa")
    item = drawn(folder, Few(2))[0]
    messages = task.request(item).messages
    assert [message.role for message in messages] == ["user", "assistant", "user", "assistant", "user"]
    assert [len(message.pictures) for message in messages] == [1, 0, 1, 0, 1]
    for shot, answer in zip(item.shots, messages[1::2], strict=True):
        assert answer.content == (Text(COLOURS[int(shot.id)]),)
    in_words = task.request(drawn(folder, Few(2, shown="words"))[0]).messages
    assert [len(message.pictures) for message in in_words] == [0, 0, 0, 0, 1]


def test_openflamingo_reads_its_own_form(folder: Path) -> None:
    """As its authors' evaluation writes examples: arXiv:2308.01390."""
    item = drawn(folder, Few(2))[0]
    one, other = (f"<image>Question:Which colour is {s.id}? Short answer:{s.answer}<|endofchunk|>" for s in item.shots)
    template = ChatTemplate(FLAMINGO, "the family's own", {"bos_token": ""})
    text = template.render(registry.find("okvqa").request(item).messages, add_generation_prompt=True).text
    assert text == f"{one}{other}<image>Question:Which colour is 0? Short answer:"


def test_a_large_split_is_sampled_evenly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shots, "POOL", 3)
    pools = [{shot.id for shot in pooled(folder, seed).shots} for seed in range(60)]
    counts = [sum(name in one for one in pools) for name in "072345"]
    assert all(len(one) == 3 for one in pools)
    assert all(15 <= count <= 45 for count in counts)


def test_karpathys_captions_have_examples(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number, split in enumerate(("test", "train", "train")):
        name = f"COCO_val2014_00000000000{number}.jpg"
        (tmp_path / "val2014").mkdir(exist_ok=True)
        Image.new("RGB", (20, 20), (60 * number, 0, 0)).save(tmp_path / "val2014" / name)
        rows = [{"filepath": "val2014", "filename": name, "sentences": [f"Thing {number}.", "Another."]}]
        parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "data" / f"{split}-0000{number}-of-3.parquet")
    (item,) = drawn(tmp_path, Few(2), "coco-karpathy", None)
    assert sorted((shot.id, shot.answer) for shot in item.shots) == [("1", "Thing 1."), ("2", "Thing 2.")]


class Echo(Assistant):
    """Says how many examples it was shown."""

    name = "echo"

    @property
    def capabilities(self) -> frozenset[Verb]:
        return frozenset({"generate"})

    def generate(self, requests: Sequence[Request]) -> Iterator[Event]:
        for number, request in enumerate(requests):
            yield Done(number, Answer(f"{len(request.messages) // 2} shots", Usage(1, 1, 1), "stop", self.name))


def run(folder: Path, output: Path, few: Few | None) -> Store:
    task, wanted = registry.find("okvqa"), Wanted(("okvqa",), folder, few=few)
    variants, bad, facts = asked(task, wanted)
    store = Store(output)
    about = runner.manifest(Echo(), task, variants, bad, Setting(), {**facts, "weights": "w"})
    runner.run(Echo(), task, variants, store, about, Setting())
    return store


def test_records_and_manifest_say_which_examples_were_shown(folder: Path, tmp_path: Path) -> None:
    store = run(folder, tmp_path / "run", Few(3, seed=4))
    samples = list(store.samples())
    assert {sample.ablation for sample in samples} == {"picture", "blank", "another", "none"}
    assert {sample.answer for sample in samples} == {"3 shots"}
    expected = {item.id: tuple(ids(item)) for item in drawn(folder, Few(3, seed=4))}
    assert all(sample.shots == expected[sample.id] for sample in samples)
    said = store.manifest()["shots"]
    assert {name: said[name] for name in ("count", "seed", "shown", "split")} == {
        "count": 3, "seed": 4, "shown": "pictures", "split": "train",
    }  # fmt: skip
    assert said["ids"] == sorted({name for shown in expected.values() for name in shown})
    assert "shots" not in run(folder, tmp_path / "none", None).manifest()


def test_a_run_with_other_examples_is_another_run(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path / "run", Few(2))
    for few in (None, Few(1), Few(2, seed=1), Few(2, shown="words")):
        with pytest.raises(UserError, match="another shots"):
            run(folder, tmp_path / "run", few)


@pytest.mark.parametrize(
    ("few", "told"), [(None, "2 in pictures, train, seed 0 against none"), (Few(3), "against 3 in pictures, train, seed 0")]
)
def test_unequal_examples_are_told_and_refused(few: Few | None, told: str, folder: Path, tmp_path: Path) -> None:
    runs = run(folder, tmp_path / "a", Few(2)).folder, run(folder, tmp_path / "b", few).folder
    ((pair,),) = (one.pairs for one in compared(runs))
    assert [one.name for one in pair.unequal] == ["examples before each question"]
    assert told in pair.unequal[0].sentence
    with pytest.raises(UserError, match="examples before each question"):
        compared(runs, strict=True)


def test_equal_examples_are_equal(folder: Path, tmp_path: Path) -> None:
    runs = run(folder, tmp_path / "a", Few(2)).folder, run(folder, tmp_path / "b", Few(2)).folder
    ((pair,),) = (one.pairs for one in compared(runs))
    assert not pair.unequal


def test_a_tiny_model_is_asked_with_examples(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, seen = tiny_folder(tmp_path / "tiny", context=2000), {}
    for count in ("0", "2"):
        words = ["eval", str(model), "--tasks", "okvqa", "--data", str(folder), "--shots", count, "--prompts", "Flamingo",
                 "--output", str(tmp_path / count), "--no-ablations", "--json"]  # fmt: skip
        assert main(words) == 0
        assert json.loads(capsys.readouterr().out)[0]["failed"] == 0
        (records,) = (tmp_path / count).rglob("records.jsonl")
        lines = [json.loads(line) for line in records.read_text().splitlines()]
        assert all(len(line["shots"]) == int(count) for line in lines)
        seen[count] = [line["tokens"]["image"] for line in lines]
    assert seen["2"] == [3 * tokens for tokens in seen["0"]]


def test_a_model_that_cannot_hold_them_says_so_once(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny_folder(tmp_path / "tiny", context=120)
    words = ["eval", str(model), "--tasks", "okvqa", "--data", str(folder), "--shots", "4", "--output", str(tmp_path / "runs")]
    assert main(words) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert "cannot be shown 4 examples of okvqa" in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--tasks", "okvqa", "--shots", "5"], "5 examples are wanted for question 0, and 4 others are there"),
        (["--tasks", "okvqa", "--shots", "-1"], "--shots is -1"),
        (["--tasks", "okvqa", "--shots-from", "x"], "--shots is 0"),
        (["--tasks", "okvqa", "--shots", "2", "--shots-from", "{empty}"], "no training rows of okvqa"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str], says: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    given = [word.format(empty=tmp_path / "empty") for word in words]
    assert main(["eval", "default", "--data", str(folder), *given, "--output", str(tmp_path / "runs")]) == 2
    told = capsys.readouterr().err.strip()
    assert says in told
    assert "\n" not in told


def test_only_what_is_published_so_takes_examples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert {task.name for task in registry.tasks().values() if task.few} == {"vqav2", "okvqa", "textvqa", "coco-karpathy"}
    own = tmp_path / "own.jsonl"
    own.write_text(json.dumps({"question": "Who?", "answer": "Ann"}))
    assert main(["eval", "default", "--data", str(own), "--shots", "2"]) == 2
    assert "own has no published few-shot protocol" in capsys.readouterr().err
