"""What differs between the settings of two runs, beside the model: a difference of scores may come from there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chiasm.evaluate.runs.compare import Side

COMPARED = frozenset(
    (
        "model",
        "weights",
        "service",
        "served",
        "sent",
        "price",
        "task",
        "scorer",
        "ablations",
        "samples",
        "unusable rows",
        "data",
    )
)
"""What runs are compared for, what is held apart, and what changes no answer to a shared question."""
LONGEST = 60


@dataclass(frozen=True)
class Unequal:
    """A setting and its two values, in words."""

    name: str
    first: str
    second: str

    @property
    def sentence(self) -> str:
        return f"{self.name}: {self.first} against {self.second}"


def unequal(first: Side, second: Side) -> tuple[Unequal, ...]:
    """Every difference, those of the questions first."""
    manifests = first.manifest, second.manifest
    return (*_questions(first, second), *_ways(first, second), *_shots(*manifests), *_facts(*manifests))


def _questions(first: Side, second: Side) -> Iterator[Unequal]:
    shared = first.answers.keys() & second.answers.keys()
    extra = [len(side.answers.keys() - shared) for side in (first, second)]
    if any(extra):
        yield Unequal("questions that the other lacks", *(f"{count} of {count + len(shared)}" for count in extra))
    elif first.manifest["data hash"] != second.manifest["data hash"]:
        yield Unequal("pictures or slices", *(_short(side.manifest["data hash"]) for side in (first, second)))
    worded = [name for name in first.answers if name in shared and _prompts(first, name) != _prompts(second, name)]
    if worded:
        said = (repr(_short(" ".join(_prompts(side, worded[0])[0].split()))) for side in (first, second))
        yield Unequal(f"wording of {len(worded)} of {len(shared)} questions", *said)


def _prompts(side: Side, name: str) -> list[str]:
    return list(dict.fromkeys(sample.prompt for sample in side.answers[name]))


def _ways(first: Side, second: Side) -> Iterator[Unequal]:
    """A model that scores options and one that writes are not asked the same."""
    ways = []
    for side in (first, second):
        chosen = sum(sample.finish_reason == "chosen" for several in side.answers.values() for sample in several)
        ways.append(f"{chosen} chosen by probability" if chosen else "written")
    if ways[0] != ways[1]:
        yield Unequal("answers", *ways)


def _shots(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Unequal]:
    """Examples before the questions; a run that shows none says nothing of them."""
    told = []
    for said in (first, second):
        shots = said.get("shots")
        told.append(f"{shots['count']} in {shots['shown']}, {shots['split']}, seed {shots['seed']}" if shots else "none")
    if told[0] != told[1]:
        yield Unequal("examples before each question", *told)
    elif first.get("shots") != second.get("shots"):
        yield Unequal("examples before each question", *(f"{len(said['shots']['ids'])} others" for said in (first, second)))


def _facts(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Unequal]:
    known = COMPARED | {"data hash", "prompt hash", "shots"}
    flat = [dict(_flat({name: value for name, value in said.items() if name not in known})) for said in (first, second)]
    for name in dict.fromkeys((*flat[0], *flat[1])):
        values = [one.get(name) for one in flat]
        if values[0] != values[1]:
            yield Unequal(name, *("not said" if value is None else _short(str(value)) for value in values))


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name} ")
        else:
            yield f"{before}{name}", value


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
