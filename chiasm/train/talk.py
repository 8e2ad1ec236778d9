"""Stages 1 and 2: the connector learns to hand pictures to the language model, then both learn to answer about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from chiasm.model import Batch, Causal
from chiasm.pixels.views import look, packed
from chiasm.prompt.plan import Plan
from chiasm.prompt.planner import Planner
from chiasm.train.conversations import Diet, batch_of
from chiasm.train.loop import Course, Told, go
from chiasm.train.masters import ALONE
from chiasm.train.parts import Part, Rate, masters_of
from chiasm.train.ranks import Ranks
from chiasm.train.stream import stream


@dataclass(frozen=True)
class Stage:
    """One stage: how long, at what rates (a part without one stays frozen), on what."""

    name: str
    minutes: float
    rates: Mapping[Part, Rate]
    diet: Diet
    decay: float = 0.01
    warmup: int = 60
    clip: float = 1.0


def told(model: Causal, batch: Batch, pictures: int) -> Told:
    """Cross-entropy of the supervised tokens, logits computed for those alone; and how many were right."""
    hidden_BTD = model(batch)
    row, place = batch.supervise_BT.nonzero(as_tuple=True)
    logits = model.logits(hidden_BTD[row, place - 1]).float()
    wanted = batch.ids_BT[row, place]
    right = int((logits.argmax(-1) == wanted).sum())
    return Told(F.cross_entropy(logits, wanted, reduction="sum"), right, len(wanted), pictures)


def train(
    model: Causal, planner: Planner, stage: Stage, out: Path, seed: int, ranks: Ranks = ALONE, *, workers: int = 1
) -> None:
    """Trains one stage (see `loop.go`). Gradients flow through frozen parts, never into them."""
    sight, device = planner.spec.sight, model.language.embed.weight.device
    assert sight is not None
    make = partial(batch_of, planner=planner, diet=stage.diet, seed=seed)

    def works(first: int) -> Iterator[tuple[np.ndarray, Plan]]:
        return stream(make, first * ranks.count + ranks.rank, workers, by=ranks.count)

    def judge(work: tuple[np.ndarray, Plan]) -> Told:
        pictures, plan = work
        seen = [view for n, picture in enumerate(pictures) for view in look(sight, picture, n)]
        return told(model, plan.batch(torch.from_numpy(packed(seen))).to(device), len(pictures))

    masters, rates = masters_of(model, stage.rates, stage.decay)
    go(Course(stage.name, stage.minutes, rates, stage.warmup, stage.clip, works, judge), masters, out, ranks)
