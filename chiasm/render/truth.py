"""What is exactly true of a drawn picture, and the questions that follow from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Box = tuple[float, float, float, float]
"""left, top, right, bottom in pixels of the finished picture."""


@dataclass(frozen=True)
class Letter:
    """One printed character; `box` spans its advance and its line from cap height to baseline."""

    char: str
    box: Box


@dataclass(frozen=True)
class Thing:
    """A drawn shape, bar or emoji; `colour` is empty where a single word would not be true."""

    name: str
    colour: str
    box: Box


@dataclass(frozen=True)
class Remark:
    """A word that is true of a place by comparison with the rest of the picture, such as the tallest of several bars."""

    word: str
    box: Box


@dataclass(frozen=True)
class Truth:
    """Everything drawn, with places. `text` is all printed lines from top to bottom."""

    letters: tuple[Letter, ...] = ()
    things: tuple[Thing, ...] = ()
    remarks: tuple[Remark, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Question:
    """A question with its one true answer.

    Attributes:
        key: the same question in a few fixed letters, free of wording ("count red circle").
        text: the question in words, of the split's own wordings.
        candidates: the closed list that the answer is one of; None where the answer is open.
    """

    task: str
    key: str
    text: str
    answer: str
    candidates: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Sample:
    """A drawn picture (H, W, 3) uint8 with all that is true of it."""

    picture: np.ndarray
    kind: str
    caption: str
    questions: tuple[Question, ...]
    truth: Truth
