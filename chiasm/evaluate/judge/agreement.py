"""How far a judge agrees with people: shares, Cohen's kappa with its interval, and who said what, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import UserError
from chiasm.evaluate.intervals import RESAMPLES, SEED, Interval, wilson
from chiasm.evaluate.judge.forms import RIGHT, WRONG, Grades
from chiasm.evaluate.judge.trial import Judgement, Trial
from chiasm.evaluate.sheets import TABLES, Unread, values

WORDS = {
    **dict.fromkeys(("right", "correct", "yes", "true", "1"), RIGHT),
    **dict.fromkeys(("wrong", "incorrect", "no", "false", "0"), WRONG),
}
TENTHS = tuple(str(n) for n in range(11))
Weights = Literal["none", "quadratic"]
"""Whether labels that are further apart weigh more in kappa."""


@dataclass(frozen=True)
class Agreement:
    """`table` counts pairs of what people and the judge said; `kappa` is None where all said the same everywhere. Of labels,
    `unjudged` met an answer without a verdict, and `elsewhere` one that the judge was not asked about."""

    labels: tuple[str, ...]
    table: Mapping[tuple[str, str], int]
    raw: Interval
    kappa: Interval | None
    weights: str
    unjudged: int
    elsewhere: int

    @property
    def n(self) -> int:
        return sum(self.table.values())

    def as_json(self) -> dict[str, Any]:
        rows = {human: {judge: self.table.get((human, judge), 0) for judge in self.labels} for human in self.labels}
        kappa = None if self.kappa is None else _spread(self.kappa)
        return {
            "n": self.n, "raw": _spread(self.raw), "kappa": kappa, "weights": self.weights,
            "people, then judge": rows, "unjudged": self.unjudged, "elsewhere": self.elsewhere,
        }  # fmt: skip

    def lines(self) -> Iterator[str]:
        """In words, the table last."""
        spread = f"{100 * self.raw.value:.1f} % ({100 * self.raw.low:.1f} to {100 * self.raw.high:.1f})"
        kappa = "kappa is not defined: all said the same"
        if self.kappa is not None:
            kappa = f"kappa {self.kappa.value:.2f} ({self.kappa.low:.2f} to {self.kappa.high:.2f})"
        beside = f"; labels of unjudged answers, {self.unjudged}; of answers that it was not asked about, {self.elsewhere}"
        yield f"the judge and people agree on {spread} of {self.n}, {kappa}, weights {self.weights}{beside}"
        for human in self.labels:
            said = ", ".join(f"{judge} {count}" for judge in self.labels if (count := self.table.get((human, judge), 0)))
            if said:
                yield f"  where people said {human}, the judge said {said}"


def agreement(trial: Trial, file: Path) -> Agreement:
    """Of a judge with a file of labels about answers to questions with their pictures. Raises `UserError` for a file that
    cannot be read, labels of no question, or a run that answers a question more than once."""
    said = labels(file, lambda label, where: _known(label, where, trial.grades))
    shown = [one for one in trial.judgements if one.ablation == "picture"]
    twice = [name for name, count in Counter(one.id for one in shown).items() if count > 1]
    if twice:
        raise UserError(
            f"{file} labels questions, and this run answers {twice[0]!r} several times: label a run of one prompt and seed"
        )
    by_id = {one.id: one for one in shown}
    pairs = [(label, _label(by_id[name], trial.grades)) for name, label in said.items() if _scored(by_id, name)]
    if not pairs:
        raise UserError(f"{file} labels no answer that was judged: its ids must be those of the run, such as {_some(by_id)}")
    unjudged = sum(name in by_id and by_id[name].why is not None for name in said)
    known = (RIGHT, WRONG) if trial.grades == "right" else TENTHS
    weights: Weights = "none" if trial.grades == "right" else "quadratic"
    return agreed(pairs, known, weights, unjudged, len(said) - len(pairs) - unjudged)


def agreed(
    pairs: Sequence[tuple[str, str]], known: Sequence[str], weights: Weights, unjudged: int, elsewhere: int
) -> Agreement:
    """Of what people and the judge said, pair by pair; `known` are all labels, in their order where distances weigh."""
    raw = wilson(sum(human == judge for human, judge in pairs), len(pairs))
    return Agreement(tuple(known), Counter(pairs), raw, _kappa(pairs, known, weights), weights, unjudged, elsewhere)


def labels(file: Path, read: Callable[[Any, str], str]) -> dict[str, str]:
    """A label for each id, from a table with `id` and `label`; `read` is given a label and where it stands."""
    if not file.is_file():
        raise UserError(f"there is no {file}: name a file of people's labels ({', '.join(TABLES)}, with id and label)")
    found: dict[str, str] = {}
    for number, row in enumerate(values(file)):
        where = f"{file}, row {number}"
        if isinstance(row, Unread):
            raise UserError(f"{file}, {row.why}")
        if not isinstance(row, Mapping):
            raise UserError(f"{where} is no object: write id and label")
        if row.get("id") is None or row.get("label") is None:
            raise UserError(f"{where} must have id and label, and has {', '.join(map(str, row)) or 'nothing'}")
        name, label = str(row["id"]), read(row["label"], where)
        if found.setdefault(name, label) != label:
            raise UserError(f"{where} labels {name!r} again, and otherwise: give one label for each id")
    return found


def _known(label: Any, where: str, grades: Grades) -> str:
    said = str(label).strip().lower()
    if grades == "tenths":
        if said not in TENTHS:
            raise UserError(f"{where}: the label is {label!r}: grades in tenths are whole numbers from 0 to 10")
        return said
    if said not in WORDS:
        raise UserError(f"{where}: the label is {label!r}: write right or wrong (or correct, incorrect, yes, no, 1, 0)")
    return WORDS[said]


def _scored(by_id: Mapping[str, Judgement], name: str) -> bool:
    return name in by_id and by_id[name].score is not None


def _label(one: Judgement, grades: Grades) -> str:
    assert one.score is not None
    return str(round(10 * one.score)) if grades == "tenths" else RIGHT if one.score == 1 else WRONG


def _some(by_id: Mapping[str, Judgement]) -> str:
    return ", ".join(repr(name) for name in list(by_id)[:3]) or "none"


def _kappa(pairs: Sequence[tuple[str, str]], known: Sequence[str], weights: Weights) -> Interval | None:
    """Cohen's kappa (doi:10.1177/001316446002000104), of labels in an order with squared distances as weights
    (doi:10.1037/h0026256), between percentiles of bootstrap resamples of the answers; those in which it is not defined are
    left out."""
    places = {label: place for place, label in enumerate(known)}
    human_N, judge_N = (np.array([places[pair[side]] for pair in pairs]) for side in (0, 1))
    grid = np.arange(len(known))
    apart_LL = (grid[:, None] - grid[None, :]).astype(np.float64) ** 2
    if weights == "none":
        apart_LL = apart_LL.clip(max=1)
    value = _weighted(human_N, judge_N, apart_LL)
    if value is None:
        return None
    draw = np.random.default_rng(SEED)
    again = (draw.integers(0, len(pairs), len(pairs)) for _ in range(RESAMPLES))
    drawn = [one for n in again if (one := _weighted(human_N[n], judge_N[n], apart_LL)) is not None]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value, float(low), float(high))


def _weighted(human_N: NDArray[Any], judge_N: NDArray[Any], apart_LL: NDArray[Any]) -> float | None:
    size = len(apart_LL)
    seen_LL = np.bincount(human_N * size + judge_N, minlength=size * size).reshape(size, size) / len(human_N)
    chance_LL = np.outer(seen_LL.sum(1), seen_LL.sum(0))
    by_chance = float((apart_LL * chance_LL).sum())
    return None if by_chance == 0 else 1 - float((apart_LL * seen_LL).sum()) / by_chance


def _spread(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}
