"""From names to runs: which model, which tasks, whose data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from dataclasses import field as attribute
from pathlib import Path
from typing import Any

from chiasm.errors import UserError
from chiasm.evaluate.benchmarks import registry
from chiasm.evaluate.benchmarks.compared import COMPARED, Field
from chiasm.evaluate.benchmarks.rows import Bad
from chiasm.evaluate.benchmarks.shots import Few
from chiasm.evaluate.benchmarks.task import Item, Task
from chiasm.evaluate.judge.agreement import agreement
from chiasm.evaluate.judge.forms import Grades
from chiasm.evaluate.judge.judge import Judge
from chiasm.evaluate.judge.trial import tried
from chiasm.evaluate.runs import comparing, data, own, runner
from chiasm.evaluate.runs.examples import exemplified, takes
from chiasm.evaluate.runs.models import about, named
from chiasm.evaluate.runs.outcome import Outcome, outcome
from chiasm.evaluate.runs.prices import Price
from chiasm.evaluate.runs.setting import Setting, Variant
from chiasm.evaluate.runs.store import ABLATIONS, Sample, Store, runs_in
from chiasm.remote.assistant import RemoteAssistant

Tasks = Callable[[str], Task]
"""The task of a run by the name that it wrote down."""


@dataclass(frozen=True)
class Wanted:
    """What a person asked for; no task means their own table."""

    tasks: tuple[str, ...]
    data: Path | None
    limit: int | None = None
    split: str | None = None
    prompts: tuple[str, ...] | None = None
    reference: str | None = None
    seeds: tuple[int, ...] = (0,)
    temperature: float = 0.0
    batch: int = 8
    ablations: bool = True
    compress: str | None = None
    budget: str | None = None
    circular: bool = False
    few: Few | None = None
    prices: Mapping[str, Price] = attribute(default_factory=dict)
    frames: int | None = None

    @property
    def setting(self) -> Setting:
        shown = ABLATIONS if self.ablations else ABLATIONS[:1]
        return Setting(shown, self.seeds, self.temperature, self.batch, self.reference, frames=self.frames)


def evaluated(model: str, wanted: Wanted, output: Path, judging: Judging | None = None) -> Iterator[Outcome]:
    """Asks a model every task; questions are read before the model is, so that a mistake is told at once."""
    several = tasks(wanted)
    ready = [(task, *asked(task, wanted)) for task in several if task.answers != "compared"]
    fields = [(COMPARED[task.name], *compared(task, wanted)) for task in several if task.answers == "compared"]
    assistant = named(model, wanted.compress, wanted.budget)
    fewer = {"compress": wanted.compress, "budget": wanted.budget}
    facts = {**about(assistant, model), **{how: told for how, told in fewer.items() if told is not None}}
    if model in wanted.prices:
        facts["price"] = asdict(wanted.prices[model])
    for task, variants, bad, shots in ready:
        takes(assistant, task, variants[0].items[0])
        store = Store(output / task.name)
        where = {"data": str(data.folder_of(task, wanted.data, wanted.split).resolve()), "split": wanted.split}
        said = runner.manifest(assistant, task, variants, bad, wanted.setting, {**facts, **where, **shots})
        runner.run(assistant, task, variants, store, said, wanted.setting)
        yield _outcome(task, store, list(store.samples()), wanted.reference, judging)
    for comparison, field, place in fields:
        task, variant, store = comparison.task, comparing.variant(field, place), Store(output / comparison.task.name)
        where = {"data": str(place.resolve()), "split": wanted.split}
        setting = Setting(ABLATIONS[:1], batch=wanted.batch, reference=wanted.reference)
        said = runner.manifest(assistant, task, [variant], field.bad, setting, {**facts, **where, **comparing.about(field)})
        comparing.run(assistant, comparison, field, store, said, wanted.batch, place)
        yield outcome(task, store, list(store.samples()), wanted.reference)


def compared(task: Task, wanted: Wanted) -> tuple[Field, Path]:
    """What a benchmark compares, and the folder it was read from. Raises `UserError` for a folder without a query, and for
    examples or prompts, which a comparison does not have."""
    if wanted.few is not None or wanted.prompts is not None:
        raise UserError(f"{task.name} is compared by vectors, not asked: leave --shots and --prompts out")
    task.judging(wanted.reference)
    place = data.folder_of(task, wanted.data, wanted.split)
    if not place.is_dir():
        raise UserError(f"{place} is not there: {task.name} is read from a folder in its published layout")
    field = COMPARED[task.name].read(place, wanted.split or task.splits[0], wanted.limit)
    if not field.queries:
        first = f"; the first row: {field.bad[0].where}: {field.bad[0].why}" if field.bad else ""
        raise UserError(f"{place} holds nothing of {task.name} that can be compared{first}")
    return field, place


def tasks(wanted: Wanted) -> list[Task]:
    """Benchmarks by name, or the person's own table."""
    return [registry.find(name) for name in wanted.tasks] or [own.turned() if wanted.circular else own.task()]


def asked(task: Task, wanted: Wanted) -> tuple[list[Variant], list[Bad], Mapping[str, Any]]:
    """Questions with the examples that were wanted, rows that make none, and what a manifest says of the examples."""
    variants, bad = questions(task, wanted)
    if wanted.few is None:
        return variants, bad, {}
    variants, shots = exemplified(task, variants, wanted.few, wanted.data)
    return variants, bad, shots


def questions(task: Task, wanted: Wanted) -> tuple[list[Variant], list[Bad]]:
    """The items of a task by each prompt, and the rows that make none. Raises `UserError` for data without a usable row."""
    if not wanted.tasks and wanted.data is None:
        raise UserError("your own questions need a table: name it with --data")
    place = data.folder_of(task, wanted.data, wanted.split)
    chosen = tuple(task.prompts) if wanted.prompts == ("all",) else wanted.prompts or (next(iter(task.prompts)),)
    task.judging(wanted.reference)
    for name in chosen:
        task.asking(name)
    found = {name: list(data.items(task, place, wanted.split, name, wanted.limit)) for name in chosen}
    folder = place.parent if place.is_file() else place
    variants = [Variant(name, tuple(one for one in some if isinstance(one, Item)), folder) for name, some in found.items()]
    bad = [one for one in next(iter(found.values())) if isinstance(one, Bad)]
    if not variants[0].items:
        first = f"; the first row: {bad[0].where}: {bad[0].why}" if bad else ""
        raise UserError(f"{wanted.data} holds no question of {task.name} that can be asked{first}")
    return variants, bad


@dataclass(frozen=True)
class Judging:
    """A judge, how it grades, and what people said of the same answers, if anything."""

    judge: Judge
    grades: Grades = "right"
    human: Path | None = None


def judging(model: str, grades: Grades = "right", human: Path | None = None) -> Judging:
    """Opens a model as a judge. Raises `UserError` for one that writes nothing."""
    assistant = named(model)
    # A service's models all write, and looking at what else they can do costs a request.
    if not isinstance(assistant, RemoteAssistant) and "generate" not in assistant.capabilities:
        raise UserError(f"{model} writes no text and cannot judge: name a model that answers questions")
    return Judging(Judge(assistant, about(assistant, model)), grades, human)


def scored(
    folder: Path, reference: str | None = None, judging: Judging | None = None, known: Tasks = own.named
) -> list[Outcome]:
    """The runs in a folder, judged anew; `known` finds their tasks. Raises `UserError` where a judge is named and no run leaves
    it anything to judge, or where people's labels could be meant for several runs."""
    found, runs = [], runs_in(folder)
    if judging is not None and judging.human is not None and len(runs) > 1:
        raise UserError(f"{folder} holds {len(runs)} runs, and labels belong to one: name its folder, such as {runs[0]}")
    for run in runs:
        store = Store(run)
        task = known(store.manifest()["task"])
        found.append(_outcome(task, store, runner.rescored(task, list(store.samples()), reference), reference, judging))
    if judging is not None and all(one.trial is None for one in found):
        names = ", ".join(dict.fromkeys(one.task for one in found))
        raise UserError(f"a judge has nothing to judge in {names}: their rules read every answer; score without one")
    return found


def _outcome(task: Task, store: Store, samples: Sequence[Sample], reference: str | None, judging: Judging | None) -> Outcome:
    if judging is None:
        return outcome(task, store, samples, reference)
    trial = tried(task, samples, store, judging.judge, judging.grades, reference or store.manifest()["scorer"])
    people = agreement(trial, judging.human) if trial is not None and judging.human is not None else None
    return outcome(task, store, samples, reference, trial, people)
