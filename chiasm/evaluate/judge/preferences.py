"""Preferences of a judge as rows of text, as sentences, as JSON, and against those of people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chiasm.errors import UserError
from chiasm.evaluate.intervals import Interval, wilson
from chiasm.evaluate.judge.agreement import Agreement, agreed, labels
from chiasm.evaluate.judge.duel import Alike, Duel, Duels, Steady, Swayed, Unjudged, Winner, duels
from chiasm.evaluate.judge.forms import FIRST, SECOND, TIE
from chiasm.evaluate.judge.judge import Blind, Judge, Sight, Sighted
from chiasm.evaluate.runs.compare import Compared, Pair
from chiasm.weights.write import write_text

ORDER: tuple[Winner, ...] = ("first", "tie", "second")
ROWS = (
    "task", "from", "to", "n", "wins", "95 %", "ties", "losses", "95 %", "lead", "95 %", "p", "same words",
    "flipped", "unparsed",
)  # fmt: skip
WORDS: dict[str, Winner] = {
    **dict.fromkeys(("first", "a", "1", "from"), FIRST),
    **dict.fromkeys(("second", "b", "2", "to"), SECOND),
    **dict.fromkeys(("tie", "both", "neither", "equal", "same"), TIE),
}
"""What people may write for a preference, beside the names of the runs."""


@dataclass(frozen=True)
class Preferences:
    """A judge's preferences between two runs of a task, and how far people agree with them, where they said."""

    task: str
    duels: Duels
    agreement: Agreement | None = None


def preferences(found: list[Compared], judge: Judge, human: Path | None, file: Path) -> list[Preferences]:
    """Asks the judge about every pair of runs, and writes all it said into a file. Raises `UserError` where people's labels
    could be meant for several pairs."""
    pairs = [(one.task, pair) for one in found for pair in one.pairs]
    if human is not None and len(pairs) > 1:
        raise UserError(f"{human} labels one pair of runs, and {len(pairs)} are compared: name two runs of one task")
    if human is not None:
        people(human, pairs[0][1])
    made = []
    for task, pair in pairs:
        judged = duels(pair, judge)
        made.append(Preferences(task, judged, None if human is None else agreement(judged, human, pair)))
    try:
        write_text(file, "".join(json.dumps(line, ensure_ascii=False) + "\n" for one in made for line in lines(one)))
    except OSError as e:
        raise UserError(f"{file} cannot be written ({e.strerror}): name another place with --page") from e
    return made


def people(file: Path, pair: Pair) -> dict[str, str]:
    """What people prefer, by the id of the question."""
    words = {**WORDS, pair.first.label.lower(): FIRST, pair.second.label.lower(): SECOND}

    def read(label: Any, where: str) -> str:
        said = str(label).strip().lower()
        if said not in words:
            names = f"{pair.first.label} or {pair.second.label}"
            raise UserError(f"{where}: the label is {label!r}: write first, second or tie (or {names})")
        return words[said]

    return labels(file, read)


def agreement(made: Duels, file: Path, pair: Pair) -> Agreement:
    """Of the judge with people, question by question."""
    said, winners = people(file, pair), made.winners
    pairs = [(label, winners[name]) for name, label in said.items() if name in winners]
    if not pairs:
        some = ", ".join(map(repr, list(winners)[:3])) or "none"
        raise UserError(f"{file} labels no question that has a verdict: its ids must be those of the runs, such as {some}")
    unjudged = {duel.id for duel, _ in made.unjudged} - winners.keys()
    missed = sum(name in unjudged for name in said)
    return agreed(pairs, ORDER, "none", missed, len(said) - len(pairs) - missed)


def rows(made: list[Preferences]) -> Iterator[tuple[str, ...]]:
    """A line for each pair of runs: questions won and lost by the second, its lead, and how many verdicts are none."""
    yield ROWS
    for one in made:
        judged = one.duels
        (wins, won), (ties, _), (losses, lost) = (judged.share(name) for name in (SECOND, TIE, FIRST))
        lead, p = ("", ""), ""
        if judged.lead is not None:
            change, chance = judged.lead
            lead = f"{100 * change.value:+.1f}", f"{100 * change.low:+.1f} to {100 * change.high:+.1f}"
            p = f"{chance:.3f}" if chance >= 0.001 else "<0.001"
        counts = (str(judged.alike), str(sum(judged.swayed.values())), str(len(judged.unjudged)))
        yield (
            one.task, judged.first, judged.second, str(len(judged.winners)), str(wins), _between(won), str(ties), str(losses),
            _between(lost), *lead, p, *counts,
        )  # fmt: skip


def notes(made: list[Preferences]) -> Iterator[str]:
    """What a reader must know of the judge and of its verdicts."""
    for one in made:
        judged, bill = one.duels, one.duels.bill
        about = f"{one.task}, {judged.first} and {judged.second}"
        named = ", ".join(f"{name} {words[:12]}" for name, words in judged.forms.items())
        yield (
            f"{about}: preferences of {judged.judge} ({named or 'nothing to ask'}), in {bill.requests} requests and "
            f"{bill.kept} kept ones, {bill.prompt_tokens} tokens read and {bill.generated_tokens} written; each two answers in "
            "both orders, and a verdict that flips with the order is a tie"
        )
        yield f"{about}: {_places(judged)}"
        yield f"{about}: {seen(judged.sight)}"
        if judged.judge in (judged.first, judged.second):
            yield f"{about}: the judge is one of the two, and models are kind to themselves"
        if judged.unanswered:
            yield f"{about}: pairs that were not asked about, since a side gave no answer: {judged.unanswered}"
        if judged.unjudged:
            duel, why = judged.unjudged[0]
            yield f"{about}: unparsed pairs, in no figure: {len(judged.unjudged)}; {duel.id}: {why}"
        if one.agreement is not None:
            yield from (f"{about}: {line}" for line in one.agreement.lines())


def _places(judged: Duels) -> str:
    """How much places weigh with the judge."""
    asked, swayed = len(judged.asked), judged.swayed
    if not asked:
        return "no pair has two verdicts, so nothing is known of how places weigh with the judge"
    share = wilson(sum(swayed.values()), asked)
    split = f"{swayed[FIRST]} for the first place, {swayed[SECOND]} for the second (p {judged.by_place:.3f})"
    return (
        f"verdicts that flipped with the order, {sum(swayed.values())} of {asked} ({100 * share.value:.1f} %, "
        f"{100 * share.low:.1f} to {100 * share.high:.1f}): {split}, {swayed[None]} decided in one order only"
    )


def seen(sight: Sight) -> str:
    match sight:
        case Sighted() if sight.told:
            return "the judge is shown the pictures"
        case Sighted(said=said):
            return f"the judge is sent the pictures, but called a red one {said[:40]!r}: it may not see them"
        case Blind(why=why):
            return f"the judge sees no picture, only words ({why[:160]})"


def as_json(one: Preferences) -> dict[str, Any]:
    judged, swayed = one.duels, one.duels.swayed
    shares = {name: judged.share(name) for name in ORDER}
    lead = None if judged.lead is None else {**asdict(judged.lead[0]), "p": judged.lead[1]}
    counted = {
        name: {"count": count, "share": None if share is None else asdict(share)} for name, (count, share) in shares.items()
    }
    return {
        "task": one.task, "from": judged.first, "to": judged.second, "questions": len(judged.winners),
        "preferred": counted, "lead of the second": lead,
        "judge": {"model": judged.judge, **judged.facts, "forms": dict(judged.forms), "temperature": 0.0},
        "pictures": seen(judged.sight), "same words": judged.alike, "unparsed": len(judged.unjudged),
        "unanswered": judged.unanswered,
        "flipped": {
            "of": len(judged.asked), "for the first place": swayed[FIRST], "for the second place": swayed[SECOND],
            "decided in one order": swayed[None], "p of so uneven places": judged.by_place,
        },
        "bill": asdict(judged.bill), "agreement with people": None if one.agreement is None else one.agreement.as_json(),
    }  # fmt: skip


def lines(one: Preferences) -> Iterator[Mapping[str, Any]]:
    """Each two answers with what the judge said of them."""
    for duel in one.duels.duels:
        yield {
            "task": one.task, "from": one.duels.first, "to": one.duels.second, "id": duel.id, "variant": duel.variant,
            "seed": duel.seed, "score": duel.score, "finding": told(duel), "said": list(duel.said),
        }  # fmt: skip


def told(duel: Duel) -> str:
    """A finding in words; places are of the replies as they were shown, runs of the order in which they are compared."""
    match duel.finding:
        case Alike():
            return "tie: the same words"
        case Steady("tie"):
            return "tie"
        case Steady(winner=winner):
            return f"the {winner} run preferred"
        case Swayed(place=None):
            return "tie: decided in one order only"
        case Swayed(place=place):
            return f"tie: the {place} place preferred in both orders"
        case Unjudged(why=why):
            return f"no verdict: {why}"


def _between(share: Interval | None) -> str:
    return "" if share is None else f"{100 * share.low:.1f} to {100 * share.high:.1f}"
