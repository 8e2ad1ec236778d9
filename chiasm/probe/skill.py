"""A skill as a value: what is drawn as a function of one swept thing, what is asked, how an answer is read."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chiasm.evaluate.benchmarks.task import Judged
from chiasm.generate.sampling import Contrast
from chiasm.render import Assets

Level = int | float | str
SIDE = 224
"""Of a picture, in pixels."""
SIZES = (0.5, 2.0, 4.0)
"""Other sizes at which some pictures are shown, in times the drawn one."""


@dataclass(frozen=True)
class Drawn:
    """A picture [H, W, 3] uint8 with one question that has one answer, of `choices` where there are any."""

    picture: np.ndarray
    question: str
    answer: str
    choices: tuple[str, ...] = ()

    @property
    def asks(self) -> str:
        """The question for a model that writes its answer."""
        return f"{self.question} Answer with one of: {', '.join(self.choices)}." if self.choices else self.question


Draw = Callable[[Level, random.Random, Assets], Drawn]
Judge = Callable[[Mapping[str, Any], str], Judged]


@dataclass(frozen=True)
class Skill:
    """`swept` says what changes from level to level, in words for an axis; `judge` reads an answer. `signed`: answers are
    numbers, and by how much they are wrong is shown too. `sizes`: how many times as large the same pictures are shown too,
    where that changes how many tokens they are. `like` names the skill whose pictures this one shows;
    `contrast` is how a model that writes is held against a distorted picture."""

    name: str
    title: str
    swept: str
    levels: tuple[Level, ...]
    draw: Draw
    judge: Judge
    signed: bool = False
    sizes: tuple[float, ...] = ()
    like: str = ""
    contrast: Contrast | None = None
