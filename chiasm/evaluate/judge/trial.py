"""The answers of a run before a judge: which it is asked about, what it said of each, and the numbers that come of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tqdm import tqdm

from chiasm.evaluate.benchmarks.figures import Figure
from chiasm.evaluate.benchmarks.sought import Grade, Pick, Sought
from chiasm.evaluate.benchmarks.task import Judged, Record, Task
from chiasm.evaluate.judge import forms
from chiasm.evaluate.judge.forms import NONE, Form, Grades
from chiasm.evaluate.judge.judge import Asked, Judge, Refused, Said, Verdict
from chiasm.evaluate.runs.answering import plain
from chiasm.evaluate.runs.store import ABLATIONS, Ablation, Key, Sample, Store, writing
from chiasm.evaluate.runs.sums import summed
from chiasm.remote.bill import Bill
from chiasm.weights.write import write_text

JUDGED = "judged.jsonl"
UNENDED, UNREAD = "the judge came to no end ({})", "the judge gave no verdict in the form that it was asked for"


@dataclass(frozen=True)
class Judgement:
    """One answer before the judge. `why` says why there is no verdict: the answer is unjudged."""

    id: str
    ablation: Ablation
    variant: str
    seed: int
    form: str
    said: str | None
    verdict: str | None
    score: float | None
    why: str | None = None

    @property
    def key(self) -> Key:
        return self.id, self.ablation, self.variant, self.seed


@dataclass(frozen=True)
class Trial:
    """A run as a judge sees it. `forms`: the SHA-256 of the words of each form that was used. A grade that is missing is left
    out of the figures; an answer that the judge could not read either stays what the rules made of it."""

    judge: str
    facts: Mapping[str, Any]
    grades: Grades
    forms: Mapping[str, str]
    judgements: tuple[Judgement, ...]
    figures: tuple[Figure, ...]
    ablated: dict[Ablation, Figure]
    bill: Bill

    @property
    def unjudged(self) -> tuple[Judgement, ...]:
        return tuple(one for one in self.judgements if one.why is not None)

    def as_json(self) -> dict[str, Any]:
        return {
            "model": self.judge,
            **self.facts,
            "grades": self.grades,
            "forms": dict(self.forms),
            "temperature": 0.0,
            "judged": len(self.judgements) - len(self.unjudged),
            "unjudged": len(self.unjudged),
            "bill": asdict(self.bill),
        }


@dataclass(frozen=True)
class Case:
    """An answer that a judge is asked about."""

    sample: Sample
    sought: Sought
    form: Form
    prompt: Asked


def tried(
    task: Task, samples: Sequence[Sample], store: Store, judge: Judge, grades: Grades = "right", reference: str | None = None
) -> Trial | None:
    """Asks the judge about every answer that it may judge, and writes its verdicts beside the answers. None where the task's
    rules leave nothing to a judge. Raises what asking raises; what was said until then is kept and not asked again."""
    if all(task.sought(sample.gold) is None for sample in samples):
        return None
    before = judge.bill
    cases = [case for sample in samples if (case := _case(task, sample, grades)) is not None]
    said = heard(judge, [case.prompt for case in cases], task.name)
    found = [_judgement(task, case, said[case.prompt], reference) for case in cases]
    text = "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in found)
    with writing(store.folder / JUDGED):
        write_text(store.folder / JUDGED, text)
    shown = judged(task, samples, found, reference)
    by_ablation = {name: some for name in ABLATIONS if (some := [one for one in shown if one.ablation == name])}
    figures = {
        name: tuple(replace(figure, name=f"{figure.name}, judged") for figure in summed(task, some, reference))
        for name, some in by_ablation.items()
    }
    return Trial(
        judge.name,
        judge.facts,
        grades,
        {case.form.name: case.form.hash for case in cases},
        tuple(found),
        figures.pop("picture", ()),
        {ablation: several[0] for ablation, several in figures.items()},
        less(judge.bill, before),
    )


def judged(task: Task, samples: Sequence[Sample], judgements: Sequence[Judgement], reference: str | None) -> list[Sample]:
    """The same answers with the judge's scores; without those that it should have graded and did not."""
    by_key = {one.key: one for one in judgements}
    shown = []
    for sample in samples:
        one = by_key.get(sample.key)
        if one is None:
            shown.append(sample)
        elif one.score is not None:
            shown.append(replace(sample, parsed=_parsed(task, sample, one, reference), score=one.score))
        elif not isinstance(task.sought(sample.gold), Grade):
            shown.append(sample)
    return shown


def _case(task: Task, sample: Sample, grades: Grades) -> Case | None:
    sought = task.sought(sample.gold)
    if sought is None or sample.answer is None or not sample.answer.strip() or sample.finish_reason == "chosen":
        return None
    if not isinstance(sought, Grade) and sample.parsed is not None:
        return None
    form = forms.form(sought, grades)
    return Case(sample, sought, form, Asked(form.prompt(forms.material(sought, sample.prompt, sample.answer))))


def heard(judge: Judge, prompts: Sequence[Asked], task: str) -> dict[Asked, Said]:
    """What the judge said to each, with a bar on a terminal."""
    found: dict[Asked, Said] = {}
    with tqdm(total=len(set(prompts)), desc=f"{judge.name} judges {task}", unit="verdict", disable=None) as bar:
        for prompt, said in judge.hear(prompts):
            found[prompt] = said
            bar.update()
    return found


def _judgement(task: Task, case: Case, said: Said, reference: str | None) -> Judgement:
    one = case.sample
    blank = Judgement(one.id, one.ablation, one.variant, one.seed, case.form.name, None, None, None)
    match said:
        case Refused(why=why):
            return replace(blank, why=why)
        case Verdict(text=text, finish_reason="length" | "repetition" | "cancelled" as reason):
            return replace(blank, said=text, why=UNENDED.format(reason))
        case Verdict(text=text):
            verdict = case.form.read(text)
            if verdict is None or (isinstance(case.sought, Pick) and verdict not in (*case.sought.options, NONE)):
                return replace(blank, said=text, why=UNREAD)
            return replace(blank, said=text, verdict=verdict, score=_score(task, case, verdict, reference))


def _score(task: Task, case: Case, verdict: str, reference: str | None) -> float:
    match case.sought:
        case Grade():
            return forms.share(case.form, verdict)
        case _ if verdict == NONE:
            return case.sample.score or 0.0
        case reader:
            return _by_rules(task, case.sample, reader.as_reply(verdict), reference).score


def _parsed(task: Task, sample: Sample, one: Judgement, reference: str | None) -> Any:
    sought = task.sought(sample.gold)
    if one.verdict is None or one.verdict == NONE or sought is None or isinstance(sought, Grade):
        return one.verdict if isinstance(sought, Grade) else sample.parsed
    return plain(_by_rules(task, sample, sought.as_reply(one.verdict), reference).parsed)


def _by_rules(task: Task, sample: Sample, reply: str, reference: str | None) -> Judged:
    return task.judge(Record(sample.id, sample.gold, sample.slices, reply, Judged(None, 0.0)), reply, reference)


def less(after: Bill, before: Bill) -> Bill:
    """What was spent since."""
    return Bill(*(b - a for a, b in zip(asdict(before).values(), asdict(after).values(), strict=True)))
