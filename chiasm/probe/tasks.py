"""Skills as tasks of their own kind, so that what scores and compares runs knows theirs too."""

from __future__ import annotations

from collections.abc import Sequence

from chiasm.evaluate.benchmarks.figures import Figure, grouped, mean, scores
from chiasm.evaluate.benchmarks.rows import Layout
from chiasm.evaluate.benchmarks.task import Record, Task
from chiasm.evaluate.runs import own
from chiasm.probe.skill import Skill
from chiasm.probe.skills import SKILLS

AS_DRAWN = "as drawn"
TOKENS = 16
"""Of an answer, at most."""


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
        sums=_sums,
        max_tokens=TOKENS,
        answers="chosen",
    )


def named(name: str) -> Task:
    """The task of any run by the name that it wrote down: a skill, own questions, a benchmark."""
    skill = next((skill for skill in SKILLS if skill.name == name), None)
    return own.named(name) if skill is None else task(skill)


def _sums(records: Sequence[Record]) -> tuple[Figure, ...]:
    """Of pictures as they were drawn, over all and by level; then how often yes was said, and by what else they were shown."""
    drawn = [record for record in records if record.groups.get("shown", AS_DRAWN) == AS_DRAWN]
    figures = [mean("accuracy", scores(drawn))]
    if all(record.gold["answer"] in ("yes", "no") for record in drawn):
        figures.append(mean("yes was said", [float(record.judged.parsed == "yes") for record in drawn]))
    return (*figures, *grouped(drawn, "level"), *grouped(records, "shown"))
