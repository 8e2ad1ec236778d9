"""The examples of a run: drawn for its questions, told in its manifest, and whether a model can be shown them at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from chiasm.assistant import Assistant
from chiasm.errors import BadPicture, UserError
from chiasm.evaluate.benchmarks.shots import Few, pool
from chiasm.evaluate.benchmarks.task import Item, Task
from chiasm.evaluate.runs.data import folder_of
from chiasm.evaluate.runs.runner import digest
from chiasm.evaluate.runs.setting import Variant, wording


def exemplified(
    task: Task, variants: Sequence[Variant], few: Few, data: Path | None
) -> tuple[list[Variant], Mapping[str, Any]]:
    """Questions with their examples, and what a manifest says of those. Raises `UserError` where there are none to be had."""
    if task.few is None:
        raise UserError(f"{task.name} has no published few-shot protocol: ask it without --shots")
    folder, made, split = folder_of(task, few.source or data, task.few.splits[0]), [], ""
    for variant in variants:
        drawn_from = pool(task, task.few, folder, variant.name, few.seed)
        made.append(replace(variant, items=tuple(drawn_from.drawn(item, few) for item in variant.items)))
        split = drawn_from.split
    drawn = {shot.id: shot for item in made[0].items for shot in item.shots}
    told = [[name, wording(shot.parts), shot.answer] for name, shot in sorted(drawn.items())]
    facts = {"count": few.count, "seed": few.seed, "shown": few.shown, "split": split, "ids": sorted(drawn)}
    return made, {"shots": {**facts, "hash": digest(told)}}


def takes(assistant: Assistant, task: Task, item: Item) -> None:
    """Raises `UserError` where a model cannot be shown a question with its examples: told once, not of every question."""
    if not item.shots or "plan" not in assistant.capabilities:
        return
    try:
        assistant.plan([task.request(item)])
    except BadPicture:
        return
    except UserError as e:
        raise UserError(f"{assistant.name} cannot be shown {len(item.shots)} examples of {task.name}: {e}") from e
