"""From names to runs: which model, which tasks, whose data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chiasm.assistant import Assistant
from chiasm.errors import UserError
from chiasm.evaluate.benchmarks import registry, rows
from chiasm.evaluate.benchmarks.rows import Bad
from chiasm.evaluate.benchmarks.task import Item, Task
from chiasm.evaluate.provenance import identity, machine, versions
from chiasm.evaluate.runs import own, runner
from chiasm.evaluate.runs.report import Outcome, outcome
from chiasm.evaluate.runs.runner import Setting, Variant
from chiasm.evaluate.runs.store import ABLATIONS, Store, runs_in
from chiasm.loading import load, open_model
from chiasm.local import LocalAssistant

DEFAULT = "default"


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

    @property
    def setting(self) -> Setting:
        shown = ABLATIONS if self.ablations else ABLATIONS[:1]
        return Setting(shown, self.seeds, self.temperature, self.batch, self.reference)


def evaluated(model: str, wanted: Wanted, output: Path) -> Iterator[Outcome]:
    """Asks a model every task; questions are read before the model is, so that a mistake is told at once."""
    ready = [(task, *questions(task, wanted)) for task in tasks(wanted)]
    assistant = load(None if model == DEFAULT else model)
    facts = about(assistant, model)
    for task, variants, bad in ready:
        store = Store(output / task.name)
        said = runner.manifest(assistant, task, variants, bad, wanted.setting, facts)
        runner.run(assistant, task, variants, store, said, wanted.setting)
        yield outcome(task, store)


def tasks(wanted: Wanted) -> list[Task]:
    """Benchmarks by name, or the person's own table."""
    return [registry.find(name) for name in wanted.tasks] or [own.task()]


def questions(task: Task, wanted: Wanted) -> tuple[list[Variant], list[Bad]]:
    """The items of a task by each prompt, and the rows that make none. Raises `UserError` for data without a usable row."""
    if task.name == own.NAME:
        if wanted.data is None:
            raise UserError("your own questions need a table: name it with --data")
        found = {"as it is": list(own.items(wanted.data, wanted.limit))}
    else:
        folder = _folder(task, wanted)
        chosen = tuple(task.prompts) if wanted.prompts == ("all",) else wanted.prompts or (next(iter(task.prompts)),)
        found = {name: list(rows.read(task, folder, wanted.split, name, wanted.limit)) for name in chosen}
    variants = [Variant(name, tuple(one for one in some if isinstance(one, Item))) for name, some in found.items()]
    bad = [one for one in next(iter(found.values())) if isinstance(one, Bad)]
    if not variants[0].items:
        first = f"; the first row: {bad[0].where}: {bad[0].why}" if bad else ""
        raise UserError(f"{wanted.data} holds no question of {task.name} that can be asked{first}")
    return variants, bad


def _folder(task: Task, wanted: Wanted) -> Path:
    """A task's own folder: below the one that was named where that has one of its name, else that one, else the hub's copy."""
    if wanted.data is None:
        return rows.fetch(task, wanted.split)
    inner = wanted.data / task.name
    return inner if inner.is_dir() else wanted.data


def about(assistant: Assistant, model: str) -> Mapping[str, Any]:
    """What a number depends on beside the questions: weights, versions, the machine's kind."""
    facts: dict[str, Any] = {"versions": versions()}
    if isinstance(assistant, LocalAssistant):
        described = open_model(None if model == DEFAULT else model).described
        facts |= {"weights": identity(described), "machine": machine(assistant.model)}
    return facts


def scored(folder: Path, reference: str | None = None) -> list[Outcome]:
    """The runs in a folder, judged anew."""
    found = []
    for run in runs_in(folder):
        store = Store(run)
        task = own.named(store.manifest()["task"])
        found.append(outcome(task, store, runner.rescored(task, list(store.samples()), reference), reference))
    return found
