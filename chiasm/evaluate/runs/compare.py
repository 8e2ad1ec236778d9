"""Runs of the same questions side by side: paired differences over all and by slice, cost beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from chiasm.errors import UserError
from chiasm.evaluate.benchmarks.figures import Figure, natural
from chiasm.evaluate.benchmarks.task import Task
from chiasm.evaluate.intervals import Interval, bootstrapped, paired
from chiasm.evaluate.runs import own, runner
from chiasm.evaluate.runs.store import ABLATIONS, Ablation, Sample, Store, runs_in
from chiasm.evaluate.runs.sums import summed
from chiasm.evaluate.runs.unequal import Unequal, unequal

ALL = "all"
BOUND = Interval(0.0, -1.0, 1.0)


@dataclass(frozen=True)
class Cost:
    """What an answer cost, on average; none where it was not counted."""

    seconds: float | None
    image_tokens: float | None
    text_tokens: float | None
    generated: float | None


@dataclass(frozen=True)
class Side:
    """A run as it is compared: the answers to each question with its own picture, the task's headline by what was shown."""

    label: str
    folder: Path
    task: Task
    manifest: Mapping[str, Any]
    scorer: str
    answers: Mapping[str, tuple[Sample, ...]]
    figures: Mapping[Ablation, Figure]
    cost: Cost
    unparsed: int
    failed: int

    def score(self, question: str) -> float:
        """Of a question, over all prompts and seeds; an answer that failed was wrong."""
        return fmean(sample.score or 0.0 for sample in self.answers[question])


@dataclass(frozen=True)
class Difference:
    """How two runs did on the same questions; `change` is the second's mean score less the first's. `p` is McNemar's, where
    every score is right or wrong."""

    name: str
    n: int
    first: float
    second: float
    change: Interval
    p: float | None


@dataclass(frozen=True)
class Pair:
    """Two runs of a task: what differs in their answers, and in their settings."""

    first: Side
    second: Side
    shared: tuple[str, ...]
    differences: tuple[Difference, ...]
    unequal: tuple[Unequal, ...]

    @property
    def overall(self) -> Difference:
        return self.differences[0]

    @property
    def only_first(self) -> int:
        return sum(self.first.score(name) > self.second.score(name) for name in self.shared)

    @property
    def only_second(self) -> int:
        return sum(self.second.score(name) > self.first.score(name) for name in self.shared)


@dataclass(frozen=True)
class Compared:
    """The runs of one task, each but the first against the first."""

    task: str
    sides: tuple[Side, ...]
    pairs: tuple[Pair, ...]


def compared(
    folders: Sequence[Path],
    reference: str | None = None,
    strict: bool = False,
    named: Callable[[str], Task] = own.named,
) -> list[Compared]:
    """The runs in several folders by task, in the order of the folders; `named` knows their tasks. `reference` judges all
    answers anew by one rule.

    Raises `UserError` where no task has two runs, for runs that share no question, or whose questions or rules are not the
    same; with `strict`, for any unequal setting.
    """
    made = []
    for name, runs in _by_task(folders).items():
        if len(runs) > 1:
            made.append(_compared(name, runs, named(name), reference, strict))
    if not made:
        run, name = alone(folders)[0]
        raise UserError(f"{run} is the only run of {name}: two runs of the same task are compared")
    return made


def alone(folders: Sequence[Path]) -> list[tuple[Path, str]]:
    """Runs that have no other to be compared with, and their tasks."""
    return [(runs[0], name) for name, runs in _by_task(folders).items() if len(runs) == 1]


def _by_task(folders: Sequence[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for run in dict.fromkeys(run for folder in folders for run in runs_in(folder)):
        found.setdefault(str(Store(run).manifest()["task"]), []).append(run)
    return {name: found[name] for name in sorted(found)}


def _compared(name: str, runs: Sequence[Path], task: Task, reference: str | None, strict: bool) -> Compared:
    said = {run: Store(run).manifest() for run in runs}
    sides = [_side(run, task, label, reference) for run, label in zip(runs, labels(runs, said), strict=True)]
    pairs = tuple(_pair(sides[0], other) for other in sides[1:])
    for pair in pairs:
        if strict and pair.unequal:
            listed = "; ".join(one.sentence for one in pair.unequal)
            raise UserError(f"{pair.first.folder} and {pair.second.folder} differ in more than the model: {listed}")
    return Compared(name, tuple(sides), pairs)


def labels(runs: Sequence[Path], said: Mapping[Path, Mapping[str, Any]]) -> Iterator[str]:
    """A run's name: its model's, with its folder where several runs are of models of one name."""
    names = [str(said[run]["model"]) for run in runs]
    for run, name in zip(runs, names, strict=True):
        yield name if names.count(name) == 1 else f"{name} ({run})"


def _side(folder: Path, task: Task, label: str, reference: str | None) -> Side:
    store = Store(folder)
    said = store.manifest()
    samples = list(store.samples())
    if reference is not None:
        samples = runner.rescored(task, samples, reference)
    scorer = reference or str(said["scorer"])
    shown = [sample for sample in samples if sample.ablation == "picture"]
    if not shown:
        raise UserError(f"{folder} holds no answer: start chiasm eval on it again")
    answers: dict[str, tuple[Sample, ...]] = {}
    for sample in shown:
        answers[sample.id] = (*answers.get(sample.id, ()), sample)
    return Side(
        label, folder, task, said, scorer, answers, _figures(task, samples, scorer), _cost(store, shown),
        unparsed=sum(sample.error is None and sample.parsed is None for sample in shown),
        failed=sum(sample.error is not None for sample in shown),
    )  # fmt: skip


def _figures(task: Task, samples: Sequence[Sample], scorer: str) -> dict[Ablation, Figure]:
    return {
        ablation: summed(task, found, scorer)[0]
        for ablation in ABLATIONS
        if (found := [sample for sample in samples if sample.ablation == ablation])
    }


def _cost(store: Store, shown: Sequence[Sample]) -> Cost:
    def mean(kind: str) -> float | None:
        known = [sample.tokens[kind] for sample in shown if kind in sample.tokens]
        return fmean(known) if known else None

    return Cost(store.seconds(), mean("image"), mean("text"), mean("generated"))


def _pair(first: Side, second: Side) -> Pair:
    shared = tuple(name for name in first.answers if name in second.answers)
    if not shared:
        raise UserError(f"{first.folder} and {second.folder} share no question: compare runs on the same data")
    for name in shared:
        golds = first.answers[name][0].gold, second.answers[name][0].gold
        if golds[0] != golds[1]:
            raise UserError(
                f"question {name} is not the same in {first.folder} ({golds[0]}) and {second.folder} ({golds[1]}): "
                "compare runs on the same data"
            )
    if first.scorer != second.scorer:
        raise UserError(
            f"{first.folder} is scored by {first.scorer} and {second.folder} by {second.scorer}: "
            "name one rule for both with --reference"
        )
    differences = [difference(ALL, first, second, shared)]
    for slice_name, members in slices(first, shared).items():
        differences.append(difference(slice_name, first, second, members))
    return Pair(first, second, shared, tuple(differences), unequal(first, second))


def slices(side: Side, shared: Sequence[str]) -> dict[str, list[str]]:
    """Questions by each slice that more than none and fewer than all are in, kind by kind."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in shared:
        for kind, value in side.answers[name][0].slices.items():
            found.setdefault((kind, value), []).append(name)
    kinds = list(dict.fromkeys(kind for kind, _ in found))
    ordered = sorted(found, key=lambda key: (kinds.index(key[0]), natural(key[1])))
    return {f"{kind}: {value}": found[kind, value] for kind, value in ordered if len(found[kind, value]) < len(shared)}


def difference(name: str, first: Side, second: Side, questions: Sequence[str]) -> Difference:
    """Questions are drawn again, not answers: several answers to one question are no new evidence."""
    before, after = ([side.score(question) for question in questions] for side in (first, second))
    change = bootstrapped([b - a for a, b in zip(before, after, strict=True)])
    plain = all(score in (0, 1) for score in (*before, *after))
    exact = paired([score == 1 for score in after], [score == 1 for score in before]) if plain else None
    if change.low == change.high:
        # Draws of equal differences say nothing of how sure they are.
        change = exact.difference if exact else Interval(change.value, BOUND.low, BOUND.high)
    return Difference(name, len(questions), fmean(before), fmean(after), change, exact.p if exact else None)
