"""How a task is asked: its wordings, and all that decides answers beside the model and the questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chiasm.evaluate.benchmarks.task import Item, Part
from chiasm.evaluate.runs.store import ABLATIONS, Ablation
from chiasm.generate.sampling import Contrast, Sampling
from chiasm.prompt.messages import Text

PICTURE = "<picture>"
"""Where one stands in the words of a question."""


def wording(parts: Sequence[Part]) -> str:
    """The words of a question, a mark where a picture stands."""
    return "".join(part.text if isinstance(part, Text) else PICTURE for part in parts)


@dataclass(frozen=True)
class Variant:
    """One way of asking a task: a prompt by its name, and the items that it makes; their pictures are named from `folder`."""

    name: str
    items: tuple[Item, ...]
    folder: Path | None = None


@dataclass(frozen=True)
class Setting:
    """Everything that decides a task's answers but the model and the questions. `frames` of a video; none: the model's own."""

    ablations: tuple[Ablation, ...] = ABLATIONS
    seeds: tuple[int, ...] = (0,)
    temperature: float = 0.0
    batch: int = 8
    reference: str | None = None
    contrast: Contrast | None = None
    frames: int | None = None

    def sampling(self, seed: int) -> Sampling:
        drawn = Sampling(temperature=self.temperature, seed=seed) if self.temperature else Sampling(temperature=0.0)
        return replace(drawn, contrast=self.contrast)
