"""What a model that judges is asked about a reply: whether it is right, which option it names, or what answer it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Grade:
    """Whether a reply means the same as one of the references. It gives a score of the judge's own, beside the rules'."""

    references: tuple[str, ...]


@dataclass(frozen=True)
class Pick:
    """Which option, by its letter, a reply names that the rules could not read; the rules score the letter."""

    options: Mapping[str, str]

    def as_reply(self, found: str) -> str:
        return found


@dataclass(frozen=True)
class Extract:
    """What final answer stands in a reply that the rules could not read; the rules score it, written into `form`."""

    wanted: str
    form: str

    def as_reply(self, found: str) -> str:
        return self.form.format(found)


Sought = Grade | Pick | Extract


def nothing(gold: Mapping[str, Any]) -> None:
    """For rules that read every reply, and scores that no judge can give."""


def any_answer(gold: Mapping[str, Any]) -> Grade:
    """Whether a reply means one of the answers, each named once."""
    return Grade(tuple(dict.fromkeys(map(str, gold["answers"]))))


def option(gold: Mapping[str, Any]) -> Pick:
    """Which of the options by letter."""
    return Pick(gold["options"])
