"""Examples before a question, as few-shot protocols show them: drawn by seed from a training split, never the question itself.

Each is an earlier turn, pictures and words as the question has them and its answer after them; a family's own template writes
turns as its model was trained to read them (OpenFlamingo's as `<image>Question:... Short answer:...<|endofchunk|>`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from chiasm.errors import UserError
from chiasm.evaluate.benchmarks.rows import find, names, read
from chiasm.evaluate.benchmarks.task import FewShot, Item, Shot, Task, pictures_digest
from chiasm.prompt.messages import Image

POOL = 2048
"""Examples of which each question's are drawn, as OpenFlamingo takes them (arXiv:2308.01390)."""
Shown = Literal["pictures", "words"]


@dataclass(frozen=True)
class Few:
    """How many examples a person wants, from which folder (none: the questions' own), and drawn by what. Shown in `words` they
    are without their pictures: two of them are Flamingo's setting of no shots (arXiv:2204.14198)."""

    count: int
    source: Path | None = None
    seed: int = 0
    shown: Shown = "pictures"


@dataclass(frozen=True)
class Pool:
    """Training questions with their answers, by the digests of their pictures."""

    split: str
    shots: tuple[Shot, ...]
    pictures: tuple[frozenset[str], ...]

    def drawn(self, item: Item, few: Few) -> Item:
        """A question with its examples, which depend on the seed and its id alone; none has its id or shows its picture. Raises
        `UserError` where too few are left."""
        own, order = frozenset(pictures_digest(item)), list(range(len(self.shots)))
        random.Random(f"{few.seed} {item.id}").shuffle(order)
        other = [number for number in order if self.shots[number].id != item.id and not own & self.pictures[number]]
        if len(other) < few.count:
            raise UserError(f"{few.count} examples are wanted for question {item.id}, and {len(other)} others are there")
        return replace(item, shots=tuple(_shown(self.shots[number], few.shown) for number in other[: few.count]))


def _shown(shot: Shot, how: Shown) -> Shot:
    if how == "pictures":
        return shot
    return replace(shot, parts=tuple(part for part in shot.parts if not isinstance(part, Image)))


def pool(task: Task, way: FewShot, folder: Path, prompt: str | None, seed: int) -> Pool:
    """Examples of a training split, read through once. Raises `UserError` for a folder without one."""
    split = next((split for split in way.splits if _holds(task, folder, split)), None)
    if split is None:
        expected = ", ".join(name for split in way.splits for layout in task.layouts for name in names(task, layout, split))
        raise UserError(
            f"{folder} holds no training rows of {task.name} to draw examples from: one of these was expected: {expected}; "
            "name another folder with --shots-from"
        )
    draw, kept = random.Random(seed), list[Item]()
    usable = (one for one in read(task, folder, split, prompt) if isinstance(one, Item))
    for number, item in enumerate(usable):
        if number < POOL:
            kept.append(item)
        elif (place := draw.randrange(number + 1)) < POOL:
            kept[place] = item
    shots = tuple(Shot(item.id, item.parts, way.answer(item.gold)) for item in kept)
    return Pool(split, shots, tuple(frozenset(pictures_digest(item)) for item in kept))


def _holds(task: Task, folder: Path, split: str) -> bool:
    try:
        find(task, folder, split)
    except UserError:
        return False
    return True
