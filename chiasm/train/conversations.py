"""Drawn pictures as conversations to train on, planned in a worker process of their own."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from chiasm.geometry import Size
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.plan import Plan
from chiasm.prompt.planner import Planner
from chiasm.render import Sample, assets, sample
from chiasm.render.sources import Use
from chiasm.spec import Causal


@dataclass(frozen=True)
class Diet:
    """What a stage is fed: shares of each kind of picture, pictures a batch, and whether it learns captions or answers.

    `branches` is how many questions of one picture are asked at once; a caption counts as one of them.
    """

    mix: Mapping[str, float]
    batch: int
    branches: int
    captions: float
    """How often a caption is asked for, of all questions."""
    room: int = 0
    """Tokens of a row, into which several pictures with their questions are put; 0 gives each picture a row."""


CAPTION_WORDINGS = ("Describe the picture.", "What does this picture show?", "Describe what you see.", "Caption this.")


def turns(made: Sample, diet: Diet, rng: random.Random) -> list[tuple[Message, Message]]:
    """Questions and answers about one picture, each pair a conversation of its own."""
    asked = list(made.questions)
    rng.shuffle(asked)
    pairs = [(question.text, question.answer) for question in asked[: diet.branches]]
    if not pairs or rng.random() < diet.captions * diet.branches:
        pairs = [*pairs[: diet.branches - 1], (rng.choice(CAPTION_WORDINGS), made.caption)]
    return [(Message("user", (Image(0), Text(question))), Message("assistant", (Text(answer),))) for question, answer in pairs]


def batch_of(step: int, planner: Planner, diet: Diet, seed: int, use: Use = "train") -> tuple[np.ndarray, Plan]:
    """Batch number `step` of a seed: pictures [I, H, W, 3] and their plan; depends on its arguments alone."""
    assert isinstance(planner.spec, Causal)
    rng = random.Random(f"talk {seed} {step}")
    material = assets(use)
    kinds = rng.choices(list(diet.mix), list(diet.mix.values()), k=diet.batch)
    samples = [sample(step * diet.batch + n, seed, use, kind, 224, material) for n, kind in enumerate(kinds)]
    sizes = [Size(made.picture.shape[1], made.picture.shape[0]) for made in samples]
    questions = [
        [planner.plan([pair], [size], answer=False).rows[0] for pair in turns(made, diet, rng)]
        for made, size in zip(samples, sizes, strict=True)
    ]
    return np.stack([made.picture for made in samples]), Plan.branched(planner.spec, questions, sizes, diet.room)
