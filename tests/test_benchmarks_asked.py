"""Every benchmark from its folder through a whole run: asked, ablated, summed up, judged again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmark_folders import EXAMPLES, Example

from chiasm.assistant import Answer, Assistant, Done, Event, Request, Usage, Verb
from chiasm.evaluate.benchmarks import registry
from chiasm.evaluate.benchmarks import rows as rows_of_files
from chiasm.evaluate.runs import runner
from chiasm.evaluate.runs.outcome import as_json, outcome
from chiasm.evaluate.runs.report import notes, rows
from chiasm.evaluate.runs.run import Wanted, questions
from chiasm.evaluate.runs.store import Store
from chiasm.evaluate.scorers import jars

CASES = [
    pytest.param(name, example, id=f"{name} {number}")
    for name, several in EXAMPLES.items()
    for number, example in enumerate(several)
]


class Says(Assistant):
    """The same words to everything; films are not opened."""

    name = "says"

    def __init__(self, words: str) -> None:
        self.words = words

    @property
    def capabilities(self) -> frozenset[Verb]:
        return frozenset({"generate"})

    @property
    def sees_clips(self) -> bool:
        return True

    def generate(self, requests: Sequence[Request]) -> Iterator[Event]:
        for number, _ in enumerate(requests):
            yield Done(number, Answer(self.words, Usage(4, 9, 1), "stop", self.name))


@pytest.mark.parametrize(("name", "example"), CASES)
def test_a_whole_run(name: str, example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "found", lambda: False)  # METEOR takes seconds to start; the golden cases run it
    (tmp_path / name).mkdir()
    example.write(tmp_path / name)
    task, model = registry.find(name), Says(example.right)
    prompts = None if example.prompt is None else (example.prompt,)
    wanted = Wanted((name,), tmp_path, split=example.split, prompts=prompts)
    variants, bad = questions(task, wanted)
    store = Store(tmp_path / "run")
    runner.run(model, task, variants, store, runner.manifest(model, task, variants, bad, wanted.setting, {}), wanted.setting)
    samples = list(store.samples())
    shown = [sample for sample in samples if sample.ablation == "picture"]
    assert len(shown) == example.items and {"blank", "none"} <= {sample.ablation for sample in samples}
    assert all(sample.error is None and sample.answer == example.right for sample in samples)
    made = outcome(task, store)
    assert made.failed == 0 and as_json(made)["scorer"] == next(iter(task.judges)) and len(list(rows([made]))) > 1
    assert f"{name} by the rules of {next(iter(task.judges))}" in notes([made, made])[0] and task.note in notes([made])[0]
    again = runner.rescored(task, samples, None)
    assert [one.score for one in again] == [one.score for one in samples]


STRANGE: tuple[object, ...] = (None, 5, [], "zzz")


@pytest.mark.parametrize(("name", "example"), CASES)
def test_columns_that_hold_something_else(name: str, example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of another form is one that makes no question, or one whose answer can be judged; never the end of a run."""
    (tmp_path / name).mkdir()
    example.write(tmp_path / name)
    task, real = registry.find(name), rows_of_files.rows_of
    columns: dict[str, None] = {}

    def seen(*given: Any) -> Iterator[rows_of_files.Row]:
        for row in real(*given):
            columns.update(dict.fromkeys(row.values))
            yield row

    monkeypatch.setattr(rows_of_files, "rows_of", seen)
    list(rows_of_files.read(task, tmp_path / name, example.split, example.prompt))
    assert columns
    for column in columns:
        for value in STRANGE:

            def changed(*given: Any, column: str = column, value: object = value) -> Iterator[rows_of_files.Row]:
                return (replace(row, values={**row.values, column: value}) for row in real(*given))

            monkeypatch.setattr(rows_of_files, "rows_of", changed)
            for item in rows_of_files.read(task, tmp_path / name, example.split, example.prompt):
                match item:
                    case rows_of_files.Bad(where=where, why=why):
                        assert where and why
                    case _:
                        json.dumps(item.gold)
                        for reference in task.judges:
                            task.record(item, "B", reference)
