"""DocVQA and InfographicVQA: answers that are written on the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chiasm.evaluate.benchmarks.asking import SHORT, shown
from chiasm.evaluate.benchmarks.figures import Figure, mean, scores
from chiasm.evaluate.benchmarks.rows import Layout, Row, Unusable, hub
from chiasm.evaluate.benchmarks.sought import any_answer
from chiasm.evaluate.benchmarks.task import Judged, Part, Record, Task
from chiasm.evaluate.scorers.anls import anls


def _ask(row: Row) -> tuple[Part, ...]:
    return shown(row, row.text("question") + SHORT)


def _gold(row: Row) -> Mapping[str, Any]:
    if row["answers"] is None:
        raise Unusable("answers are withheld in this split: it is scored by the RRC's server")
    return {"answers": row.texts("answers")}


def _judge(gold: Mapping[str, Any], reply: str) -> Judged:
    return Judged(reply.strip() or None, anls(reply, gold["answers"]))


def _sums(records: Sequence[Record]) -> tuple[Figure, ...]:
    return (mean("ANLS", scores(records)),)


def _official(row: Row) -> Iterator[Row]:
    """The RRC's own files name a picture beside; of test splits the answers are missing."""
    beside = {} if "image" in row.values else {"image": f"documents/{row['image_local_name']}"}
    yield Row({"answers": None, **row.values, **beside}, row.folder, row.where)


def _task(name: str, config: str, paper: str, official: str) -> Task:
    return Task(
        name=name,
        title=config,
        paper=paper,
        splits=("validation",),
        layouts=(hub("lmms-lab/DocVQA", config), Layout((official,), _official, key="data", split="val")),
        id=lambda row: str(row["questionId"]),
        prompts={"lmms-eval": _ask},
        gold=_gold,
        judges={"RRC": _judge},
        sums=_sums,
        max_tokens=32,
        sought=any_answer,
    )


TASKS = (
    _task("docvqa", "DocVQA", "2007.00398", "{split}_v1.0*.json"),
    _task("infovqa", "InfographicVQA", "2104.12756", "infographicsVQA_{split}*.json"),
)
