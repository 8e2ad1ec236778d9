"""POPE: is an object there, asked evenly about what is and what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from chiasm.evaluate.benchmarks.asking import SHORT, shown
from chiasm.evaluate.benchmarks.figures import Figure, bootstrap, by, mean, scores
from chiasm.evaluate.benchmarks.rows import Layout, Row, hub
from chiasm.evaluate.benchmarks.task import Judge, Judged, Part, Record, Task
from chiasm.evaluate.scorers import pope

WAYS = ("random", "popular", "adversarial")


def _ask(row: Row) -> tuple[Part, ...]:
    return shown(row, row.text("question").strip() + SHORT)


def _original(row: Row) -> Iterator[Row]:
    """The authors' lines; the way of choosing stands in the file's name."""
    way = next((way for way in WAYS if way in row.where), "")
    values = {"question": row["text"], "answer": row["label"], "category": way}
    yield Row({**row.values, **values}, row.folder, row.where)


def _judge(reference: pope.Reference) -> Judge:
    def judge(gold: Mapping[str, Any], reply: str) -> Judged:
        said = pope.parse(reply, reference)
        return Judged(said, float(said == gold["answer"]))

    return judge


STATISTICS: dict[str, Callable[[int, int, int, int], float]] = {
    "precision": lambda right, said, true, n: right / said,
    "recall": lambda right, said, true, n: right / true,
    "F1": lambda right, said, true, n: 2 * right / (said + true),
    "yes": lambda right, said, true, n: said / n,
}
"""Of how often yes was right, said and true."""


def _counts(record: Record) -> tuple[int, int, int, int]:
    """Of what was read, so that every reader's numbers are made the same way: yes counts as found."""
    said, true = record.judged.parsed == "yes", record.gold["answer"] == "yes"
    return said and true, said, true, 1


def _sums(records: Sequence[Record]) -> tuple[Figure, ...]:
    """Each way of choosing apart, as the paper reports them; F1 of all first."""
    figures = [*bootstrap(list(map(_counts, records)), {"F1": STATISTICS["F1"]}), mean("accuracy", scores(records))]
    for way, several in by(records, "category").items():
        figures.append(mean(f"accuracy, {way}", scores(several)))
        figures += bootstrap(list(map(_counts, several)), {f"{name}, {way}": of for name, of in STATISTICS.items()})
    return tuple(figures)


TASKS = (
    Task(
        name="pope",
        title="POPE",
        paper="2305.10355",
        layouts=(
            hub("lmms-lab/POPE"),
            Layout(("coco_pope_*.json*", "coco/coco_pope_*.json*"), _original),
        ),
        id=lambda row: f"{row.get('category') or ''} {row.get('id', 'question_id')}".strip(),
        prompts={"lmms-eval": _ask},
        gold=lambda row: {"answer": row.text("answer").lower()},
        groups=lambda row: {"category": row.text("category")},
        judges={
            "RUCAIBox/POPE": _judge("RUCAIBox/POPE"), "lmms-eval": _judge("lmms-eval"), "VLMEvalKit": _judge("VLMEvalKit")
        },
        sums=_sums,
        max_tokens=128,
    ),
)  # fmt: skip
