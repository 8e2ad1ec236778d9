"""Samples as a task sums them up."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from chiasm.evaluate.benchmarks.figures import Figure
from chiasm.evaluate.benchmarks.task import Task
from chiasm.evaluate.runs.runner import records
from chiasm.evaluate.runs.store import Sample


def summed(task: Task, samples: Sequence[Sample], scorer: str | None) -> tuple[Figure, ...]:
    """The figures of what was shown in one way, the real picture or another; of several prompts and seeds their means. Answers
    to the same question are no new evidence: errors and intervals are means too, and questions count once."""
    several = [task.summary(records(some, some[0].ablation), scorer).figures for some in ways(samples).values()]
    if len(several) == 1:
        return several[0]
    by_name = {figure.name: [f for figures in several for f in figures if f.name == figure.name] for figure in several[0]}
    return tuple(_middle(name, found) for name, found in by_name.items())


def _middle(name: str, figures: Sequence[Figure]) -> Figure:
    value, stderr, low, high = (fmean(one) for one in zip(*((f.value, f.stderr, f.low, f.high) for f in figures), strict=True))
    return Figure(name, value, stderr, low, high, figures[0].n)


def ways(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """Samples by prompt and seed; all together where no question was asked twice."""
    found: dict[str, list[Sample]] = {}
    if len({sample.id for sample in samples}) == len(samples):
        return {"once": list(samples)}
    for sample in samples:
        found.setdefault(f"{sample.variant}, seed {sample.seed}", []).append(sample)
    return found
