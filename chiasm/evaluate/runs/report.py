"""The numbers of runs as a table, and as result.json beside each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chiasm.evaluate.benchmarks.figures import Figure
from chiasm.evaluate.benchmarks.lines import LINES
from chiasm.evaluate.benchmarks.task import Task
from chiasm.evaluate.judge.agreement import Agreement
from chiasm.evaluate.judge.trial import Trial
from chiasm.evaluate.runs.runner import records
from chiasm.evaluate.runs.store import ABLATIONS, RESULT, Ablation, Sample, Store
from chiasm.weights.write import write_json


@dataclass(frozen=True)
class Outcome:
    """What a run found: the task's figures with its pictures, and the headline without them. `spread` is the headline of each
    prompt and seed, where there are several."""

    model: str
    task: str
    scorer: str
    figures: tuple[Figure, ...]
    unparsed: int
    failed: int
    ablated: dict[Ablation, Figure]
    spread: dict[str, float]
    unusable: tuple[tuple[str, str], ...] = ()
    """Rows that made no question: where each stands, and why."""
    trial: Trial | None = None
    """The same answers before a judge."""
    agreement: Agreement | None = None
    """How far people agree with that judge."""

    @property
    def headline(self) -> Figure:
        return self.figures[0]

    def falls(self, ablation: Ablation) -> bool:
        """Whether the score without the picture is clearly below the score with it: by two standard errors of both."""
        other = self.ablated[ablation]
        noise = math.hypot(_known(self.headline.stderr), _known(other.stderr))
        return other.value < self.headline.value - 2 * noise


def outcome(
    task: Task,
    store: Store,
    samples: Sequence[Sample] | None = None,
    reference: str | None = None,
    trial: Trial | None = None,
    agreement: Agreement | None = None,
) -> Outcome:
    """Sums a run up and writes result.json; `samples` in place of those that it wrote down, judged by another reference."""
    said = store.manifest()
    samples = list(store.samples()) if samples is None else samples
    scorer = reference or said["scorer"]
    summary = task.summary(records(samples), scorer)
    ablations = [ablation for ablation in said["ablations"] if ablation != "picture"]
    ablated = {a: task.summary(found, scorer).figures[0] for a in ablations if (found := records(samples, a))}
    failed = sum(sample.error is not None for sample in samples)
    left_out = tuple((where, why) for where, why in said["unusable rows"])
    spread = _spread(task, samples)
    made = Outcome(
        said["model"], task.name, scorer, summary.figures, summary.unparsed, failed, ablated, spread, left_out, trial, agreement
    )
    write_json(store.folder / RESULT, as_json(made))
    return made


def _spread(task: Task, samples: Sequence[Sample]) -> dict[str, float]:
    ways = sorted({(sample.variant, sample.seed) for sample in samples})
    if len(ways) < 2:
        return {}
    by_way = {way: [s for s in samples if (s.variant, s.seed) == way] for way in ways}
    return {f"{variant}, seed {seed}": task.summary(records(some)).figures[0].value for (variant, seed), some in by_way.items()}


def plain(figure: Figure) -> dict[str, Any]:
    """A figure as JSON: numbers that are none are null."""
    unknown = {name for name, value in asdict(figure).items() if isinstance(value, float) and math.isnan(value)}
    return {name: None if name in unknown else value for name, value in asdict(figure).items()}


def as_json(made: Outcome) -> dict[str, Any]:
    return {
        "model": made.model,
        "task": made.task,
        "scorer": made.scorer,
        "figures": [plain(figure) for figure in made.figures],
        "unparsed": made.unparsed,
        "failed": made.failed,
        "ablated": {name: {**plain(figure), "falls": made.falls(name)} for name, figure in made.ablated.items()},
        "spread": made.spread,
        "unusable rows": [list(row) for row in made.unusable],
        **({} if made.trial is None else {"judge": _judge(made.trial, made.agreement)}),
    }


def _judge(trial: Trial, agreement: Agreement | None) -> dict[str, Any]:
    return {
        **trial.as_json(),
        "figures": [plain(figure) for figure in trial.figures],
        "ablated": {name: plain(figure) for name, figure in trial.ablated.items()},
        **({} if agreement is None else {"agreement with people": agreement.as_json()}),
    }


HEADINGS = ("model", "task", "figure", "value", "s.e.", "95 %", "n", "unparsed", "failed", "blank", "another", "none")


def rows(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, ...]]:
    """A line for each figure; the ablations stand beside the headline, marked where the score does not fall without the
    picture."""
    yield HEADINGS
    for made in outcomes:
        yield from _lines(made, made.figures, made.ablated, str(made.unparsed))
        if made.trial is not None:
            yield from _lines(made, made.trial.figures, made.trial.ablated, f"{len(made.trial.unjudged)} unjudged")


def _lines(
    made: Outcome, figures: Sequence[Figure], ablated: Mapping[Ablation, Figure], unread: str
) -> Iterator[tuple[str, ...]]:
    for number, figure in enumerate(figures):
        first = number == 0
        cells = [_ablated(ablated, name) if first else "" for name in ABLATIONS[1:]]
        counts = (str(figure.n), unread if first else "", str(made.failed) if first else "")
        interval = f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"
        error = "" if math.isnan(figure.stderr) else f"{100 * figure.stderr:.1f}"
        yield (made.model, made.task, figure.name, f"{100 * figure.value:.1f}", error, interval, *counts, *cells)


def notes(outcomes: Sequence[Outcome]) -> list[str]:
    """What a reader of the table must know: scores that need no picture, spreads, and what others published."""
    said = []
    for made in outcomes:
        for name in made.ablated:
            if not made.falls(name):
                said.append(f"{made.model} on {made.task}: the score does not fall with {SHOWN[name]}")
        if made.unusable:
            where, why = made.unusable[0]
            said.append(f"{made.model} on {made.task}: rows that make no question, {len(made.unusable)}; {where}: {why}")
        if made.trial is not None:
            said += _of_judge(made, made.trial)
        if made.spread:
            listed = ", ".join(f"{way} {100 * value:.1f}" for way, value in made.spread.items())
            said.append(f"{made.model} on {made.task}, by prompt and seed: {listed}")
    asked = {made.task for made in outcomes}
    for line in LINES:
        if line.task in asked:
            setting = f"{line.who} on {line.task}, {line.split}, {line.setting}"
            said.append(f"published, not measured here: {setting}: {line.value} (arXiv:{line.source})")
    return said


SHOWN: dict[Ablation, str] = {
    "picture": "the picture", "blank": "a blank picture", "another": "another question's picture", "none": "no picture",
}  # fmt: skip


def _of_judge(made: Outcome, trial: Trial) -> Iterator[str]:
    forms = ", ".join(f"{name} {words[:12]}" for name, words in trial.forms.items())
    about, bill = f"{made.model} on {made.task}", trial.bill
    yield (
        f"{about}, judged by {trial.judge} ({forms or 'nothing to judge'}): {len(trial.judgements)} answers in {bill.requests} "
        f"requests and {bill.kept} kept verdicts, {bill.prompt_tokens} tokens read and {bill.generated_tokens} written"
    )
    if trial.judge == made.model:
        yield f"{about}: the judge is the model itself, and models are kind to themselves"
    if trial.unjudged:
        first = trial.unjudged[0]
        yield f"{about}: unjudged answers, {len(trial.unjudged)}; {first.id}, with {SHOWN[first.ablation]}: {first.why}"
    if made.agreement is not None:
        yield from made.agreement.lines()


def _ablated(ablated: Mapping[Ablation, Figure], name: Ablation) -> str:
    return f"{100 * ablated[name].value:.1f}" if name in ablated else ""


def _known(stderr: float) -> float:
    return 0.0 if math.isnan(stderr) else stderr
