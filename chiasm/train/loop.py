"""The loop that every stage through the language model's parts goes round: work, loss, step, log, save, resume."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor

from chiasm.train.masters import Masters
from chiasm.train.progress import Progress
from chiasm.train.ranks import Ranks
from chiasm.train.schedule import schedule
from chiasm.weights.write import write_json

T = TypeVar("T")


@dataclass(frozen=True)
class Told:
    """What one batch said: the loss summed over `count` answers, how many of them were right, of how many pictures."""

    loss: Tensor
    right: float
    count: int
    pictures: int


@dataclass(frozen=True)
class Course(Generic[T]):
    """One stage as the loop sees it.

    `works(n)` goes through batches from number n on; a process of several takes every so manieth, from its own number on.
    `judge` computes a batch's loss with a graph.
    """

    name: str
    minutes: float
    rates: Mapping[str, float]
    warmup: int
    clip: float
    works: Callable[[int], Iterator[T]]
    judge: Callable[[T], Told]


def go(course: Course[T], masters: Masters, out: Path, ranks: Ranks, save_every: float = 150.0) -> None:
    """Trains for the course's minutes of wall time in all, over every resumption; a stopped run goes on from its last save. The
    clock begins with the first batch: until then processes start that draw.

    Writes a line of JSON to `out`/<name>.jsonl about every ten seconds.
    """
    out.mkdir(parents=True, exist_ok=True)
    state_file, tensors_file, log_file = (out / f"{course.name}.{end}" for end in ("json", "safetensors", "jsonl"))
    step, before = 0, 0.0
    if state_file.is_file():
        state = json.loads(state_file.read_text())
        step, before = state["step"], state["seconds"]
        masters.restore(tensors_file)
    budget = 60 * course.minutes
    ranks.wait()
    if before >= budget:
        return
    works = course.works(step)
    first = next(works)
    started = saved = logged = time.monotonic()
    sums = torch.zeros(4, dtype=torch.float64)
    with (
        log_file.open("a", buffering=1) if ranks.first else nullcontext() as log,
        Progress(course.name, budget, ranks.first) as progress,
    ):
        for work in chain((first,), works):
            told = course.judge(work)
            facts = torch.tensor([float(told.loss.detach()), told.right, told.count, told.pictures, 0.0], dtype=torch.float64)
            if ranks.first:
                facts[4] = before + time.monotonic() - started
            ranks.sum(facts)
            seconds = float(facts[4])
            (told.loss / float(facts[2])).backward()
            pace = schedule(step, course.warmup, seconds / budget)
            masters.step({part: rate * pace for part, rate in course.rates.items()}, course.clip, ranks)
            step, sums, done = step + 1, sums + facts[:4], seconds >= budget
            progress.at(seconds)
            now = time.monotonic()
            if log is not None and (now - logged > 10 or done):
                loss, right, count, pictures = sums.tolist()
                line = {"step": step, "seconds": round(seconds), "pictures_per_s": round(pictures / (now - logged), 1)}
                line |= {"loss": round(loss / count, 4), "right": round(right / count, 4)}
                log.write(json.dumps(line) + "\n")
                progress.says(f"step {step}, {line['pictures_per_s']} pictures/s, loss {line['loss']}, right {line['right']}")
                sums, logged = torch.zeros_like(sums), now
            if ranks.first and (now - saved > save_every or done):
                masters.save(tensors_file)
                write_json(state_file, {"step": step, "seconds": seconds})
                saved = now
            if done:
                return
