"""Drawn pictures as conversations to train on, planned in a worker process of their own."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.queues import Queue
from typing import Any

import numpy as np

from chiasm.geometry import Size
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.plan import Plan
from chiasm.prompt.planner import Planner
from chiasm.render import Sample, assets, sample
from chiasm.render.sources import Use


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


CAPTION_WORDINGS = ("Describe the picture.", "What does this picture show?", "Describe what you see.", "Caption this.")


def turns(made: Sample, diet: Diet, rng: random.Random) -> list[tuple[Message, Message]]:
    """Questions and answers about one picture, each pair a conversation of its own."""
    asked = list(made.questions)
    rng.shuffle(asked)
    pairs = [(question.text, question.answer) for question in asked[: diet.branches]]
    if not pairs or rng.random() < diet.captions * diet.branches:
        pairs = [*pairs[: diet.branches - 1], (rng.choice(CAPTION_WORDINGS), made.caption)]
    return [
        (Message("user", (Image(0), Text(question))), Message("assistant", (Text(answer),)))
        for question, answer in pairs
    ]


def batch_of(planner: Planner, diet: Diet, step: int, seed: int, use: Use = "train") -> tuple[list[Sample], Plan]:
    """Batch number `step` of a seed; depends on its arguments alone."""
    rng = random.Random(f"talk {seed} {step}")
    material = assets(use)
    kinds = rng.choices(list(diet.mix), list(diet.mix.values()), k=diet.batch)
    samples = [sample(step * diet.batch + n, seed, use, kind, 224, material) for n, kind in enumerate(kinds)]
    sizes = [Size(made.picture.shape[1], made.picture.shape[0]) for made in samples]
    questions = [
        [planner.plan([pair], [size], answer=False).rows[0] for pair in turns(made, diet, rng)]
        for made, size in zip(samples, sizes, strict=True)
    ]
    return samples, Plan.branched(planner.spec, questions, sizes)


def _work(queue: Queue[Any], planner: Planner, diet: Diet, seed: int, first: int, jump: int) -> None:
    os.nice(5)
    step = first
    while True:
        samples, plan = batch_of(planner, diet, step, seed)
        queue.put((step, np.stack([made.picture for made in samples]), plan))
        step += jump


def batches(planner: Planner, diet: Diet, seed: int, first: int, workers: int = 1) -> Iterator[tuple[np.ndarray, Plan]]:
    """Pictures [I, H, W, 3] and their plan from step `first` on, in order, drawn ahead by worker processes."""
    context = get_context("spawn")
    queues = [context.Queue(maxsize=8) for _ in range(workers)]
    processes = [
        context.Process(target=_work, args=(queue, planner, diet, seed, first + n, workers), daemon=True)
        for n, queue in enumerate(queues)
    ]
    for process in processes:
        process.start()
    step = first
    try:
        while True:
            made, pictures, plan = queues[(step - first) % workers].get(timeout=300)
            assert made == step
            yield pictures, plan
            step += 1
    finally:
        for process in processes:
            process.terminate()
