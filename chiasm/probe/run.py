"""Models put to the probes: pictures drawn, questions asked, every answer written down, in a folder that goes on."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from chiasm.assistant import Assistant, Request
from chiasm.errors import UserError
from chiasm.evaluate.benchmarks.rows import Layout
from chiasm.evaluate.benchmarks.task import Item, Task
from chiasm.evaluate.runs import runner
from chiasm.evaluate.runs.report import outcome
from chiasm.evaluate.runs.runner import Setting, Variant
from chiasm.evaluate.runs.store import Sample, Store
from chiasm.probe.skill import SIDE, Drawn, Skill
from chiasm.prompt.messages import Image, Text, question
from chiasm.render import Assets

AS_DRAWN = "as drawn"
TOKENS = 16
"""Of an answer, at most."""


@dataclass(frozen=True)
class Probed:
    """What a model answered to the questions of one skill."""

    model: str
    skill: Skill
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Way:
    """How pictures are made: `limit` of each level, from a seed, with this material; they are kept in `folder`."""

    folder: Path
    limit: int
    seed: int
    material: Assets


def task(skill: Skill) -> Task:
    """A skill as what runs ask."""
    return Task(
        name=skill.name,
        title=skill.title,
        paper="",
        layouts=(Layout(()),),
        id=lambda row: row.where,
        prompts={AS_DRAWN: lambda row: ()},
        gold=lambda row: {},
        judges={"probe": skill.judge},
        max_tokens=TOKENS,
        answers="chosen",
    )


def probed(assistant: Assistant, skill: Skill, way: Way, output: Path, facts: Mapping[str, Any]) -> Probed:
    """Asks what is not answered yet. Raises `UserError` for less than one picture a level."""
    if way.limit < 1:
        raise UserError(f"--limit {way.limit}: it must be 1 or more pictures a level")
    sizes = (1.0, *(size for size in skill.sizes if _differs(assistant, size)))
    variants = [Variant(called(size), items(skill, way, size)) for size in sizes]
    asked, store, setting = task(skill), Store(output / skill.name), Setting(ablations=("picture",), contrast=skill.contrast)
    about = runner.manifest(assistant, asked, variants, (), setting, {**facts, "pictures from seed": way.seed})
    runner.run(assistant, asked, variants, store, about, setting)
    outcome(asked, store)
    return Probed(assistant.name, skill, tuple(store.samples()))


def called(size: float) -> str:
    """A size as a variant's name."""
    return AS_DRAWN if size == 1 else f"{size:g} times as large"


def items(skill: Skill, way: Way, size: float = 1.0) -> tuple[Item, ...]:
    """The questions of a skill, level by level; their pictures are written down."""
    folder = way.folder / (skill.like or skill.name)
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for level in skill.levels:
        for number in range(way.limit):
            drawn = skill.draw(level, random.Random(f"{way.seed} {skill.like or skill.name} {level} {number}"), way.material)
            name = f"{way.seed}-{level}-{number}"
            file = folder / (f"{name}.png" if size == 1 else f"{name}-x{size:g}.png")
            _sized(drawn, size).save(file)
            gold = {"question": drawn.question, "answer": drawn.answer, "choices": list(drawn.choices)}
            found.append(Item(name, (Image(str(file)), Text(drawn.asks)), gold, {"level": str(level)}))
    return tuple(found)


def _sized(drawn: Drawn, size: float) -> Pillow.Image:
    image = Pillow.fromarray(drawn.picture)
    side = round(SIDE * size)
    return image if side == SIDE else image.resize((side, side), Pillow.Resampling.BICUBIC)


def _differs(assistant: Assistant, size: float) -> bool:
    """Whether a picture of another size is another number of tokens; unknown where a model does not plan."""
    if "plan" not in assistant.capabilities:
        return False
    request = Request((question("-", [np.zeros((SIDE, SIDE, 3), np.uint8)]),), 1)
    plans = [assistant.plan([request], sizes=[(side, side)]) for side in (SIDE, round(SIDE * size))]
    return plans[0].visual_tokens() != plans[1].visual_tokens()


def choices(samples: Sequence[Sample]) -> float | None:
    """What guessing among options gives, on average; none where nothing is to choose."""
    shares = [1 / len(sample.choices) for sample in samples if sample.choices]
    return sum(shares) / len(samples) if len(shares) == len(samples) and samples else None
