"""OCRBench: a thousand questions about text, a point each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chiasm.evaluate.benchmarks.asking import shown
from chiasm.evaluate.benchmarks.figures import Figure, by, mean, scores
from chiasm.evaluate.benchmarks.rows import Layout, Row, hub
from chiasm.evaluate.benchmarks.task import Judge, Judged, Record, Task
from chiasm.evaluate.scorers import ocrbench


def _judge(reference: ocrbench.Reference) -> Judge:
    def judge(gold: Mapping[str, Any], reply: str) -> Judged:
        right = ocrbench.right(reply, gold["answers"], gold["dataset"], reference)
        return Judged(reply.strip() or None, float(right))

    return judge


def _official(row: Row) -> Iterator[Row]:
    """The authors' file names its columns otherwise."""
    values = row.values
    names = {"image": "image_path", "answer": "answers", "question_type": "type", "dataset": "dataset_name"}
    yield Row({**values} | {new: values[old] for new, old in names.items() if old in values}, row.folder, row.where)


def _points(figure: Figure) -> Figure:
    """Points in place of a share."""
    n = figure.n
    return replace(
        figure, value=figure.value * n, stderr=figure.stderr * n, low=figure.low * n, high=figure.high * n
    )  # fmt: skip


def _sums(records: Sequence[Record]) -> tuple[Figure, ...]:
    """Points of all, of the five parts, and of each type of question."""
    types = by(records, "type")
    figures = [_points(mean("score", scores(records)))]
    for part, names in ocrbench.GROUPS.items():
        own = [score for name in names for score in scores(types.get(name, ()))]
        figures += [_points(mean(part, own))] if own else []
        if len(names) > 1:
            figures += [_points(mean(f"{part}: {name}", scores(types[name]))) for name in names if name in types]
    return tuple(figures)


TASKS = (
    Task(
        name="ocrbench",
        title="OCRBench",
        paper="2305.07895",
        layouts=(hub("echo840/OCRBench"), Layout(("OCRBench.json", "OCRBench/OCRBench.json"), _official)),
        id=lambda row: str(row.get("id")) if row.get("id") is not None else row.where,
        prompts={"as it is": lambda row: shown(row, row.text("question").strip())},
        gold=lambda row: {"answers": row.texts("answer"), "dataset": row.text("dataset")},
        groups=lambda row: {"type": row.text("question_type")},
        judges={"MultimodalOCR": _judge("MultimodalOCR"), "lmms-eval": _judge("lmms-eval")},
        sums=_sums,
        max_tokens=128,
    ),
)
