"""The pictures that a run's questions were asked about, unopened: files, or what lies in rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from chiasm.errors import UserError
from chiasm.evaluate.benchmarks.task import pictures_of
from chiasm.evaluate.runs import data
from chiasm.evaluate.runs.compare import Side
from chiasm.evaluate.runs.setting import PICTURE


def shown(side: Side, questions: Sequence[str]) -> dict[str, tuple[Path | bytes, ...]]:
    """Of each question, in its order; a file may be gone by now. Raises `UserError` where rows cannot be read again."""
    base = data.base(side.manifest)
    found: dict[str, tuple[Path | bytes, ...]] = {
        name: tuple(base / file for file in side.answers[name][0].pictures) for name in questions
    }
    inside = {name for name in questions if not found[name] and PICTURE in side.answers[name][0].prompt}
    if not inside:
        return found
    if "data" not in side.manifest:
        raise UserError(f"{side.folder} does not say where its pictures are: ask the run anew")
    kept = in_rows(side, inside)
    if gone := sorted(inside - kept.keys()):
        raise UserError(f"the picture of {gone[0]!r} is not in {side.manifest['data']} any more: ask the run anew")
    return {**found, **{name: tuple(several) for name, several in kept.items()}}


def in_rows(side: Side, wanted: Collection[str]) -> dict[str, list[Path | bytes]]:
    """One pass over the rows, as far as it must go."""
    found: dict[str, list[Path | bytes]] = {}
    for item in data.again(side.task, side.manifest):
        if len(found) == len(wanted):
            break
        if item.id in wanted and item.id not in found:
            found[item.id] = list(_known(pictures_of(item)))
    return found


def _known(pictures: Iterable[object]) -> Iterable[Path | bytes]:
    return (one if isinstance(one, bytes) else Path(str(one)) for one in pictures)
