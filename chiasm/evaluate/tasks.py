"""What the exam asks, as data: which pictures, which of their questions, how they are answered, and the marks to reach."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from chiasm.errors import UserError
from chiasm.render import Assets, Question, Sample, sample
from chiasm.render.shapes import COLOURS, SHAPES

DIGITS = tuple("123456789")
PAIRS = tuple(f"{'an' if c[0] in 'aeiou' else 'a'} {c} {s}" for c, s in itertools.product(COLOURS, SHAPES))
SMALL = 20
"""Font size in pixels below which print counts as small."""

_CAP_HEIGHT = 0.72
_PATIENCE = 60
"""Pictures drawn for each one wanted before a task counts as one that its pictures do not ask."""


@dataclass(frozen=True)
class Open:
    """Written freely, the likeliest token each time, up to so many tokens with the end's; right if it is the answer."""

    tokens: int


@dataclass(frozen=True)
class Closed:
    """Chosen by log-probability among the same candidates each time; `answers` are those that are ever true, each
    equally often, so that always saying the same gains nothing."""

    candidates: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Listed:
    """Chosen by log-probability among candidates that come with the question."""


How = Open | Closed | Listed


def among(*candidates: str) -> Closed:
    return Closed(candidates, candidates)


@dataclass(frozen=True)
class Task:
    """One line of the exam. `kind` of pictures, `asks` the task of their questions, `fits` which samples count; `target`
    is the share to reach."""

    name: str
    kind: str
    asks: str
    how: How
    target: float | None = None
    fits: Callable[[Sample, Question], bool] = lambda made, question: True


@dataclass(frozen=True)
class Asked:
    """One question of a task about picture `number` of its kind, with what it is chosen from (nothing: written freely)."""

    number: int
    question: str
    answer: str
    candidates: tuple[str, ...]


def _digits(least: int, most: int, small: bool) -> Callable[[Sample, Question], bool]:
    def fits(made: Sample, question: Question) -> bool:
        top, bottom = made.truth.letters[0].box[1::2]
        return least <= len(question.answer) <= most and ((bottom - top) / _CAP_HEIGHT < SMALL - 0.01) == small

    return fits


TASKS = (
    Task("number, 1-3 digits", "number", "number", Open(8), 0.80, _digits(1, 3, small=False)),
    Task("number, 4-6 digits", "number", "number", Open(8), 0.45, _digits(4, 6, small=False)),
    Task("number, 1-3 digits, under 20 px", "number", "number", Open(8), None, _digits(1, 3, small=True)),
    Task("number, 4-6 digits, under 20 px", "number", "number", Open(8), None, _digits(4, 6, small=True)),
    Task("word", "word", "word", Open(12)),
    Task("colour", "mixed shapes", "colour", among(*COLOURS), 0.95),
    Task("shape", "mixed shapes", "shape", among(*SHAPES), 0.95),
    Task("colour and shape", "one shape", "what", among(*PAIRS), 0.95),
    Task("count, 1 to 5", "many shapes", "count", Closed(DIGITS, DIGITS[:5]), 0.80),
    Task("count, 6 to 9", "many shapes", "count", Closed(DIGITS, DIGITS[5:])),
    Task("left or right", "mixed shapes", "sides", among("left", "right"), 0.80),
    Task("above or below", "mixed shapes", "levels", among("above", "below"), 0.80),
    Task("tallest bar", "bars", "tallest", Listed(), 0.60),
    Task("table cell", "table", "cell", Open(8)),
    Task("receipt total", "receipt", "total", Open(10)),
    Task("emoji of 20, unseen style", "named", "what", Listed(), 0.40),
)


@dataclass(frozen=True)
class Drawn:
    """The pictures [H, W, 3] of one kind by number, and the questions about them by task."""

    pictures: dict[int, np.ndarray]
    asked: dict[str, list[Asked]]


def draw(tasks: Sequence[Task], pictures: int, seed: int, material: Assets, size: int = 224) -> Drawn:
    """`pictures` questions for each of several tasks over one kind of picture, no two of a task about the same picture.

    Raises `UserError` where the pictures do not ask what a task is about often enough.
    """
    kept: dict[int, np.ndarray] = {}
    asked: dict[str, list[Asked]] = {task.name: [] for task in tasks}
    marks: dict[str, Counter[str]] = {task.name: Counter() for task in tasks}
    for number in itertools.count():
        short = [task for task in tasks if len(asked[task.name]) < pictures]
        if not short:
            return Drawn(kept, asked)
        if number > _PATIENCE * (pictures + 10):
            raise UserError(f"{number} pictures hold no {pictures} questions for {short[0].name!r}: ask for fewer")
        made = sample(number, seed, "held-out", short[0].kind, size, material)
        for task in short:
            for question in made.questions:
                if _wanted(task, made, question, marks[task.name], pictures):
                    kept[number] = made.picture
                    marks[task.name][question.answer] += 1
                    asked[task.name].append(Asked(number, question.text, question.answer, _candidates(task.how, question)))
                    break
    raise AssertionError("the loop returns")


def _wanted(task: Task, made: Sample, question: Question, marks: Counter[str], pictures: int) -> bool:
    if question.task != task.asks or not task.fits(made, question):
        return False
    match task.how:
        case Closed(answers=answers):
            return question.answer in answers and marks[question.answer] < -(-pictures // len(answers))
        case _:
            return True


def _candidates(how: How, question: Question) -> tuple[str, ...]:
    match how:
        case Open():
            return ()
        case Closed(candidates=candidates):
            return candidates
        case Listed():
            assert question.candidates is not None
            return question.candidates


def chance(how: How, asked: Sequence[Asked]) -> float:
    """What can be had without a picture: one of the candidates at random, or always the answer that is commonest among the
    other questions."""
    match how:
        case Open():
            return (max(Counter(one.answer for one in asked).values()) - 1) / (len(asked) - 1)
        case Closed(answers=answers):
            return 1 / len(answers)
        case Listed():
            return sum(1 / len(one.candidates) for one in asked) / len(asked)
