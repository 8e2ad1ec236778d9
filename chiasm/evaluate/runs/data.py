"""Where a run's questions are read from, and how they are read again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chiasm.errors import UserError
from chiasm.evaluate.benchmarks import rows
from chiasm.evaluate.benchmarks.rows import Bad
from chiasm.evaluate.benchmarks.task import Item, Task
from chiasm.evaluate.runs import own


def folder_of(task: Task, data: Path | None, split: str | None) -> Path:
    """A task's own folder: below the one that was named where that has one of its name, else that one, else the hub's copy. A
    published folder may itself hold one of its name (Video-MME's does), which holds no rows below another."""
    if data is None:
        return rows.fetch(task, split)
    inner = data / task.name
    if task.name in (own.NAME, own.TURNED) or not inner.is_dir():
        return data
    return inner if _holds(task, inner, split) or not _holds(task, data, split) else data


def _holds(task: Task, folder: Path, split: str | None) -> bool:
    try:
        rows.find(task, folder, split)
    except UserError:
        return False
    return True


def items(
    task: Task, data: Path, split: str | None = None, prompt: str | None = None, limit: int | None = None
) -> Iterator[Item | Bad]:
    """The questions of a task, or of a person's own table, in their order, and the rows that make none."""
    match task.name:
        case own.NAME:
            return own.items(data, limit)
        case own.TURNED:
            return own.turned_items(data, limit)
        case _:
            return rows.read(task, data, split, prompt, limit)


def again(task: Task, manifest: Mapping[str, Any]) -> Iterator[Item]:
    """The questions of a run, read from where they were. Raises `UserError` where they are not there any more."""
    found = items(task, Path(manifest["data"]), manifest["split"], manifest["prompts"][0])
    return (item for item in found if isinstance(item, Item))


def base(manifest: Mapping[str, Any]) -> Path:
    """The folder that a run's pictures are named from."""
    data = Path(manifest.get("data", ""))
    return data.parent if data.is_file() else data
