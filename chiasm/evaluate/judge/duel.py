"""Two runs before a judge: which of their answers to the same question it prefers, asked in both orders.

The judge sees the question, its pictures where it takes any, and both replies without a name. It is asked twice, each reply
once in the first place: only a verdict that both orders give is a preference; one that changes with the order is a tie, and
is counted as a sign of how much places weigh. Replies of the same words are a tie that nobody is asked about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from chiasm.evaluate.intervals import Interval, mcnemar, paired, wilson
from chiasm.evaluate.judge import forms
from chiasm.evaluate.judge.forms import FIRST, SECOND, TIE, Form
from chiasm.evaluate.judge.judge import Asked, Judge, Refused, Said, Sight, Sighted, Verdict
from chiasm.evaluate.judge.trial import UNENDED, UNREAD, heard, less
from chiasm.evaluate.runs.compare import Pair
from chiasm.evaluate.runs.shown import shown
from chiasm.evaluate.runs.store import Sample
from chiasm.remote.bill import Bill

Place = Literal["first", "second"]
Winner = Literal["first", "tie", "second"]
"""Of two runs, in the order in which they are compared."""


@dataclass(frozen=True)
class Alike:
    """Replies of the same words."""


@dataclass(frozen=True)
class Steady:
    """What the judge said in both orders."""

    winner: Winner


@dataclass(frozen=True)
class Swayed:
    """A verdict that changed with the order: for whatever stood in one `place`, or decided in one order only."""

    place: Place | None


@dataclass(frozen=True)
class Unjudged:
    """No verdict in one order at least."""

    why: str


Finding = Alike | Steady | Swayed | Unjudged


@dataclass(frozen=True)
class Duel:
    """Two answers to one question; `said` is what the judge said, the first run's answer first, then the second's."""

    id: str
    variant: str
    seed: int
    finding: Finding
    said: tuple[str | None, ...] = ()

    @property
    def score(self) -> float | None:
        """Of the second run: 1, a half for a tie, 0; none without a verdict."""
        match self.finding:
            case Steady("second"):
                return 1.0
            case Steady("first"):
                return 0.0
            case Alike() | Steady() | Swayed():
                return 0.5
            case Unjudged():
                return None


@dataclass(frozen=True)
class Duels:
    """All answers that two runs gave to the same questions, as a judge prefers them. `unanswered`: questions that were not
    answered on one side, and so not asked about."""

    first: str
    second: str
    judge: str
    facts: Mapping[str, Any]
    sight: Sight
    forms: Mapping[str, str]
    duels: tuple[Duel, ...]
    unanswered: int
    bill: Bill

    @property
    def winners(self) -> dict[str, Winner]:
        """Of each question that has a verdict: several answers to one question count as one."""
        scores: dict[str, list[float]] = {}
        for duel in self.duels:
            if duel.score is not None:
                scores.setdefault(duel.id, []).append(duel.score)
        return {name: _winner(fmean(several)) for name, several in scores.items()}

    def share(self, winner: Winner) -> tuple[int, Interval | None]:
        """How many questions went so, and the share with its interval."""
        winners = self.winners.values()
        count = sum(one == winner for one in winners)
        return count, wilson(count, len(winners)) if winners else None

    @property
    def lead(self) -> tuple[Interval, float] | None:
        """By how much more often the second run is preferred than the first, as a share of the questions, and how likely so
        uneven a split is by chance."""
        winners = list(self.winners.values())
        if not winners:
            return None
        made = paired([one == SECOND for one in winners], [one == FIRST for one in winners])
        return made.difference, made.p

    @property
    def asked(self) -> tuple[Duel, ...]:
        """Those that the judge gave verdicts on, in both orders."""
        return tuple(duel for duel in self.duels if isinstance(duel.finding, Steady | Swayed))

    @property
    def swayed(self) -> Counter[Place | None]:
        return Counter(duel.finding.place for duel in self.duels if isinstance(duel.finding, Swayed))

    @property
    def alike(self) -> int:
        return sum(isinstance(duel.finding, Alike) for duel in self.duels)

    @property
    def unjudged(self) -> tuple[tuple[Duel, str], ...]:
        return tuple((duel, duel.finding.why) for duel in self.duels if isinstance(duel.finding, Unjudged))

    @property
    def by_place(self) -> float:
        """How likely so uneven a split between the two places is where places do not weigh."""
        return mcnemar(self.swayed[FIRST], self.swayed[SECOND])


@dataclass(frozen=True)
class _Case:
    """Two answers and what the judge is asked of them, in both orders; nothing where they are alike."""

    first: Sample
    second: Sample
    asked: tuple[Asked, ...]


def duels(pair: Pair, judge: Judge) -> Duels:
    """Asks a judge about every two answers to the same question, prompt and seed. Raises what asking raises; what was said
    until then is kept and not asked again."""
    before, sight = judge.bill, judge.sight
    both = list(_both(pair))
    able = [(one, other) for one, other in both if (one.answer or "").strip() and (other.answer or "").strip()]
    files = shown(pair.first, list(dict.fromkeys(one.id for one, _ in able))) if isinstance(sight, Sighted) else {}
    cases = [_case(one, other, files.get(one.id, ())) for one, other in able]
    said = heard(judge, [asked for case in cases for asked in case.asked], pair.first.task.name)
    used = [_form(asked.pictures) for case in cases for asked in case.asked]
    return Duels(
        pair.first.label,
        pair.second.label,
        judge.name,
        judge.facts,
        sight,
        {form.name: form.hash for form in used},
        tuple(_duel(case, said) for case in cases),
        len(both) - len(able),
        less(judge.bill, before),
    )


def _both(pair: Pair) -> Iterator[tuple[Sample, Sample]]:
    """Answers to the same question by the same prompt with the same seed; of prompts by other names, in their order."""
    for name in pair.shared:
        mine, theirs = pair.first.answers[name], pair.second.answers[name]
        known = {(sample.variant, sample.seed): sample for sample in theirs}
        matched = [(one, known[one.variant, one.seed]) for one in mine if (one.variant, one.seed) in known]
        yield from matched or list(zip(mine, theirs, strict=False))


def _case(one: Sample, other: Sample, pictures: tuple[Path | bytes, ...]) -> _Case:
    first, second = (one.answer or "").strip(), (other.answer or "").strip()
    if first == second:
        return _Case(one, other, ())
    form = _form(pictures)
    orders = ((first, second), (second, first))
    return _Case(one, other, tuple(Asked(form.prompt(_material(one.prompt, *order)), pictures) for order in orders))


def _form(pictures: Sequence[Path | bytes]) -> Form:
    return forms.PREFER_SEEN if pictures else forms.PREFER_BLIND


def _material(question: str, first: str, second: str) -> list[tuple[str, str]]:
    return [("question", question), ("first-reply", first), ("second-reply", second)]


def _duel(case: _Case, said: Mapping[Asked, Said]) -> Duel:
    one = case.first
    if not case.asked:
        return Duel(one.id, one.variant, one.seed, Alike())
    several = [said[asked] for asked in case.asked]
    words = tuple(verdict.text if isinstance(verdict, Verdict) else None for verdict in several)
    return Duel(one.id, one.variant, one.seed, _finding(several), words)


def _finding(several: Sequence[Said]) -> Finding:
    """Of the first run's answer in the first place, then in the second."""
    read = [_read(said) for said in several]
    for one in read:
        if isinstance(one, Unjudged):
            return one
    match read:
        case ["tie", "tie"]:
            return Steady(TIE)
        case ["first", "second"]:
            return Steady(FIRST)
        case ["second", "first"]:
            return Steady(SECOND)
        case ["first", "first"]:
            return Swayed(FIRST)
        case ["second", "second"]:
            return Swayed(SECOND)
        case _:
            return Swayed(None)


def _read(said: Said) -> str | Unjudged:
    match said:
        case Refused(why=why):
            return Unjudged(why)
        case Verdict(finish_reason="length" | "repetition" | "cancelled" as reason):
            return Unjudged(UNENDED.format(reason))
        case Verdict(text=text):
            return forms.PREFER_SEEN.read(text) or Unjudged(UNREAD)


def _winner(score: float) -> Winner:
    return SECOND if score > 0.5 else FIRST if score < 0.5 else TIE
