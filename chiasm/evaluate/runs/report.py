"""The numbers of runs as a table, and what a reader of it must know."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import stdev

from chiasm.evaluate.benchmarks.figures import Figure
from chiasm.evaluate.benchmarks.lines import LINES
from chiasm.evaluate.judge.trial import Trial
from chiasm.evaluate.runs.outcome import Outcome, falls
from chiasm.evaluate.runs.store import ABLATIONS, Ablation

UNFALLEN = "does not fall"
"""Beside a score without the picture that is not clearly below the score with it."""
HEADINGS = (
    *("model", "task", "figure", "value", "s.e.", "95 %", "n", "unparsed", "failed", "blank", "another", "none"),
    *("read", "written"),
)


def rows(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, ...]]:
    """A line for each figure; beside the headline stand the ablations, and how many tokens the whole run read and wrote."""
    yield HEADINGS
    for made in outcomes:
        written = made.tokens.get("generated", 0)
        spent = sum(made.tokens.values()) - written, written
        yield from _lines(made, made.figures, made.ablated, str(made.unparsed), spent)
        if made.trial is not None:
            unjudged, bill = f"{len(made.trial.unjudged)} unjudged", made.trial.bill
            spent = bill.prompt_tokens, bill.generated_tokens
            yield from _lines(made, made.trial.figures, made.trial.ablated, unjudged, spent)


def _lines(
    made: Outcome, figures: Sequence[Figure], ablated: Mapping[Ablation, Figure], unread: str, spent: tuple[int, int]
) -> Iterator[tuple[str, ...]]:
    for number, figure in enumerate(figures):
        first = number == 0
        cells = [_ablated(figure, ablated, name) if first else "" for name in ABLATIONS[1:]]
        cells += [f"{count:,}" if first and any(spent) else "" for count in spent]
        counts = (str(figure.n), unread if first else "", str(made.failed) if first else "")
        interval = "" if math.isnan(figure.low) else f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"
        error = "" if math.isnan(figure.stderr) else f"{100 * figure.stderr:.1f}"
        yield (made.model, made.task, figure.name, f"{100 * figure.value:.1f}", error, interval, *counts, *cells)


def notes(outcomes: Sequence[Outcome]) -> list[str]:
    """What a reader of the table must know: scores that need no picture, spreads, and what others published."""
    said = list(dict.fromkeys(_rules(made) for made in outcomes if made.task not in _OWN))
    for made in outcomes:
        for name in made.ablated:
            if not made.falls(name):
                said.append(f"{made.model} on {made.task}: the score does not fall with {SHOWN[name]}")
        if made.failures:
            which, why = made.failures[0]
            said.append(
                f"{made.model} on {made.task}: questions that failed and count as wrong, {len(made.failures)}; {which}: {why}"
            )
        if made.unseen:
            said.append(f"{made.model} on {made.task}: questions without a picture, {len(made.unseen)}; {made.unseen[0]}")
        for fields, count in made.passed_over.items():
            said.append(f"{made.model} on {made.task}: the service was sent {fields} and passed over it, in {count} answers")
        if made.unusable:
            where, why = made.unusable[0]
            said.append(f"{made.model} on {made.task}: rows that make no question, {len(made.unusable)}; {where}: {why}")
        if made.price is not None:
            said.append(f"{made.model} on {made.task}: cost {made.price.of(made.tokens):.4f} by the price that was given")
        if made.trial is not None:
            said += _of_judge(made, made.trial)
        if made.spread:
            listed = ", ".join(f"{way} {100 * value:.1f}" for way, value in made.spread.items())
            low, high = min(made.spread.values()), max(made.spread.values())
            apart = f"{100 * (high - low):.1f} apart, standard deviation {100 * stdev(made.spread.values()):.1f}"
            said.append(f"{made.model} on {made.task}, by prompt and seed: {listed}; {apart}; the value is their mean")
    asked = {made.task for made in outcomes}
    for line in LINES:
        if line.task in asked:
            setting = f"{line.who} on {line.task}, {line.split}, {line.setting}"
            said.append(f"published, not measured here: {setting}: {line.value} (arXiv:{line.source})")
    return said


_OWN = frozenset(("own", "own-circular"))


def _rules(made: Outcome) -> str:
    """Whose rules a benchmark's numbers follow, and what they leave out."""
    return f"{made.task} by the rules of {made.scorer}" + (f": {made.note}" if made.note else "")


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


def _ablated(headline: Figure, ablated: Mapping[Ablation, Figure], name: Ablation) -> str:
    if name not in ablated:
        return ""
    told = f"{100 * ablated[name].value:.1f}"
    return told if falls(headline, ablated[name]) else f"{told}, {UNFALLEN}"
