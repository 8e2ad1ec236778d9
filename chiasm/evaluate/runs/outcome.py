"""What a run found, summed up, and as result.json beside it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from chiasm.evaluate.benchmarks.figures import Figure
from chiasm.evaluate.benchmarks.task import Task
from chiasm.evaluate.judge.agreement import Agreement
from chiasm.evaluate.judge.trial import Trial
from chiasm.evaluate.runs.prices import Price
from chiasm.evaluate.runs.setting import PICTURE
from chiasm.evaluate.runs.store import RESULT, Ablation, Sample, Store
from chiasm.evaluate.runs.sums import summed, ways
from chiasm.remote.departures import PASSED_OVER

KINDS = ("image", "text", "generated")
"""Of tokens, as samples count them."""


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
    failures: tuple[tuple[str, str], ...] = ()
    """Questions that could not be asked, and why."""
    unseen: tuple[str, ...] = ()
    """Questions without a picture, where others have one."""
    passed_over: Mapping[str, int] = field(default_factory=dict)
    """What a service was sent and did not do, by the number of answers that show it."""
    tokens: Mapping[str, int] = field(default_factory=dict)
    """Of all answers together, ablations too: image, text and generated."""
    price: Price | None = None
    """Of a million tokens, where it was given."""
    trial: Trial | None = None
    """The same answers before a judge."""
    agreement: Agreement | None = None
    """How far people agree with that judge."""
    note: str = ""
    """What a score of the task leaves out."""

    @property
    def headline(self) -> Figure:
        return self.figures[0]

    def falls(self, ablation: Ablation) -> bool:
        """Whether the score without the picture is clearly below the score with it."""
        return falls(self.headline, self.ablated[ablation])


def falls(headline: Figure, other: Figure) -> bool:
    """Whether a figure is below another by more than two standard errors of both."""
    noise = math.hypot(_known(headline.stderr), _known(other.stderr))
    return other.value < headline.value - 2 * noise


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
    figures = summed(task, samples, scorer)
    ablations = [ablation for ablation in said["ablations"] if ablation != "picture"]
    ablated = {a: summed(task, found, scorer)[0] for a in ablations if (found := [s for s in samples if s.ablation == a])}
    shown = [sample for sample in samples if sample.ablation == "picture"]
    unparsed = sum(sample.error is None and sample.parsed is None for sample in shown)
    failures = tuple((sample.id, sample.error) for sample in shown if sample.error is not None)
    worded = shown if task.answers != "compared" else []
    unseen = tuple(sample.id for sample in worded if PICTURE not in sample.prompt)
    left_out = tuple((where, why) for where, why in said["unusable rows"])
    spread = _spread(task, samples, scorer)
    made = Outcome(
        said["model"], task.name, scorer, figures, unparsed, len(failures), ablated, spread, left_out, failures,
        unseen=unseen if len(unseen) < len(shown) else (),
        tokens={kind: sum(sample.tokens.get(kind, 0) for sample in samples) for kind in KINDS},
        price=Price(**said["price"]) if "price" in said else None,
        trial=trial, agreement=agreement, note=task.note,
        passed_over=Counter(s.served[PASSED_OVER] for s in samples if PASSED_OVER in s.served),
    )  # fmt: skip
    store.write(RESULT, as_json(made))
    return made


def _spread(task: Task, samples: Sequence[Sample], scorer: str) -> dict[str, float]:
    """The headline of each prompt and seed, where there are several."""
    several = ways([sample for sample in samples if sample.ablation == "picture"])
    return {way: summed(task, some, scorer)[0].value for way, some in several.items()} if len(several) > 1 else {}


def plain(figure: Figure) -> dict[str, Any]:
    """A figure as JSON: numbers that are none are null."""
    unknown = {name for name, value in asdict(figure).items() if isinstance(value, float) and math.isnan(value)}
    return {name: None if name in unknown else value for name, value in asdict(figure).items()}


def as_json(made: Outcome) -> dict[str, Any]:
    return {
        "model": made.model,
        "task": made.task,
        "scorer": made.scorer,
        **({"note": made.note} if made.note else {}),
        "figures": [plain(figure) for figure in made.figures],
        "unparsed": made.unparsed,
        "failed": made.failed,
        "ablated": {name: {**plain(figure), "falls": made.falls(name)} for name, figure in made.ablated.items()},
        "spread": made.spread,
        "unusable rows": [list(row) for row in made.unusable],
        "failures": [list(one) for one in made.failures],
        "without a picture": list(made.unseen),
        "tokens": dict(made.tokens),
        **({PASSED_OVER: dict(made.passed_over)} if made.passed_over else {}),
        **({} if made.price is None else {"price": asdict(made.price), "cost": made.price.of(made.tokens)}),
        **({} if made.trial is None else {"judge": _judge(made.trial, made.agreement)}),
    }


def _judge(trial: Trial, agreement: Agreement | None) -> dict[str, Any]:
    return {
        **trial.as_json(),
        "figures": [plain(figure) for figure in trial.figures],
        "ablated": {name: plain(figure) for name, figure in trial.ablated.items()},
        **({} if agreement is None else {"agreement with people": agreement.as_json()}),
    }


def _known(stderr: float) -> float:
    return 0.0 if math.isnan(stderr) else stderr
