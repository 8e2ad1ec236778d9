"""Models put to the probes: pictures drawn, questions asked, every answer written down, in a folder that goes on."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from chiasm.assistant import Assistant
from chiasm.errors import UserError
from chiasm.evaluate.benchmarks.task import Item, Task
from chiasm.evaluate.runs import runner
from chiasm.evaluate.runs.models import DEFAULT, about
from chiasm.evaluate.runs.models import named as model_named
from chiasm.evaluate.runs.outcome import outcome
from chiasm.evaluate.runs.setting import Setting, Variant
from chiasm.evaluate.runs.store import Sample, Store
from chiasm.loading import load_local
from chiasm.probe.budgets import Spent, spent, tokens_of
from chiasm.probe.skill import SIDE, Drawn, Skill
from chiasm.probe.tasks import AS_DRAWN, task
from chiasm.prompt.messages import Image, Text
from chiasm.render import Assets

BATCH = 16
"""Questions asked at once: pictures are small and answers short."""


@dataclass(frozen=True)
class Probed:
    """What a model answered to the questions of one skill, the folder of their pictures, and the visual tokens of each way in
    which they were shown, where these are known."""

    model: str
    skill: Skill
    samples: tuple[Sample, ...]
    pictures: Path
    tokens: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Way:
    """How pictures are made: `limit` of each level, from a seed, with this material; they are kept in `folder`."""

    folder: Path
    limit: int
    seed: int
    material: Assets


@dataclass(frozen=True)
class Laid:
    """The questions of one skill, ready to be asked: as drawn and in other sizes, and for fewer tokens by the name of the
    limit."""

    skill: Skill
    task: Task
    store: Store
    about: Mapping[str, Any]
    setting: Setting
    plain: tuple[Variant, ...]
    held: Mapping[str, Variant]

    def ask(self, assistant: Assistant, variants: Iterable[Variant]) -> None:
        """Asks what is not answered yet."""
        runner.run(assistant, self.task, tuple(variants), self.store, self.about, self.setting)

    def waits(self, named: str) -> bool:
        """Whether anything is to be asked within a limit."""
        done = self.store.begin(self.about)
        held = [self.held[named]] if named in self.held else []
        return any(sample.key not in done for sample, _ in runner.asked(held, self.setting))

    def told(self, model: str, way: Way) -> Probed:
        """What was answered, summed up and written down."""
        outcome(self.task, self.store)
        return Probed(model, self.skill, tuple(self.store.samples()), way.folder, self.about["visual tokens"])


def everything(model: str, skills: Sequence[Skill], way: Way, output: Path) -> list[Probed]:
    """Puts a model by its name to several skills; it is loaded again for each limit of tokens, one at a time."""
    assistant = model_named(model)
    name, facts, limits = assistant.name, about(assistant, model), spent(assistant)
    several = []
    for skill in skills:
        several.append(laid(assistant, skill, way, output, facts, limits))
        several[-1].ask(assistant, several[-1].plain)
    del assistant
    for limit in limits:
        waiting = [one for one in several if one.waits(limit.named)]
        if waiting:
            held = load_local(None if model == DEFAULT else model, **{limit.by: limit.named})
            for one in waiting:
                one.ask(held, [one.held[limit.named]])
    return [one.told(name, way) for one in several]


def laid(
    assistant: Assistant, skill: Skill, way: Way, output: Path, facts: Mapping[str, Any], limits: Sequence[Spent] = ()
) -> Laid:
    """Draws the pictures of a skill. Raises `UserError` for less than one picture a level."""
    if way.limit < 1:
        raise UserError(f"--limit {way.limit}: it must be 1 or more pictures a level")
    counts = {size: tokens_of(assistant, size) for size in (1.0, *skill.sizes)}
    sizes = [size for size, tokens in counts.items() if size == 1 or tokens not in (None, counts[1.0])]
    limits = limits if skill.sizes else ()
    drawn = {size: items(skill, way, size) for size in dict.fromkeys((*sizes, *(limit.size for limit in limits)))}
    plain = tuple(Variant(called(size), drawn[size], way.folder) for size in sizes)
    held = {limit.named: Variant(limit.named, _held(drawn[limit.size], limit.named), way.folder) for limit in limits}
    tokens = {called(size): counts[size] for size in sizes} | {limit.named: limit.tokens for limit in limits}
    said = {
        "data": str(way.folder.resolve()),
        "split": None,
        "pictures from seed": way.seed,
        "visual tokens": {name: count for name, count in tokens.items() if count is not None},
    }
    asked, setting = task(skill), Setting(ablations=("picture",), contrast=skill.contrast, batch=BATCH)
    whole = runner.manifest(assistant, asked, (*plain, *held.values()), (), setting, {**facts, **said})
    return Laid(skill, asked, Store(output / skill.name), whole, setting, plain, held)


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
            groups = {"level": str(level), **({"shown": called(size)} if skill.sizes else {})}
            found.append(Item(file.stem, (Image(str(file)), Text(drawn.asks)), gold, groups))
    return tuple(found)


def _held(drawn: Sequence[Item], named: str) -> tuple[Item, ...]:
    """The same pictures within a limit of tokens."""
    return tuple(replace(item, id=f"{item.id} {named}", groups={**item.groups, "shown": named}) for item in drawn)


def _sized(drawn: Drawn, size: float) -> Pillow.Image:
    image = Pillow.fromarray(drawn.picture)
    side = round(SIDE * size)
    return image if side == SIDE else image.resize((side, side), Pillow.Resampling.BICUBIC)


def choices(samples: Sequence[Sample]) -> float | None:
    """What guessing among options gives, on average; none where nothing is to choose."""
    shares = [1 / len(sample.choices) for sample in samples if sample.choices]
    return sum(shares) / len(samples) if len(shares) == len(samples) and samples else None
