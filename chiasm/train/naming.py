"""Stage 1's first half: the connector learns to say what stands where, in the language model's own vocabulary.

Each visual token learns to say, by its closeness to their embeddings, what its square shows (`names`). No forward through the
language model is needed, so this goes at the speed of the eye; afterwards the model reads pictures almost as it reads words,
and the rest of the stages starts from there.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from chiasm.geometry import Size
from chiasm.model import Causal, Sight
from chiasm.pixels.views import look, packed
from chiasm.prompt.plan import grids_of
from chiasm.prompt.planner import Planner
from chiasm.render import assets, sample
from chiasm.train.loop import Course, Told, go
from chiasm.train.masters import ALONE
from chiasm.train.names import NOTHING, Vocabulary, names, places, said_by_squares
from chiasm.train.parts import Part, Rate, masters_of
from chiasm.train.ranks import Ranks
from chiasm.train.stream import stream

BARE = 0.05
"""How much an empty square counts."""
SHARPNESS = 20.0
"""The logit of an embedding that is met exactly."""


@dataclass(frozen=True)
class Naming:
    """How long, at what rates (a part without one stays frozen), on what shares of each kind of picture, how many a batch."""

    name: str
    minutes: float
    rates: Mapping[Part, Rate]
    mix: Mapping[str, float]
    batch: int
    decay: float = 0.01
    warmup: int = 50


def told_names(tokens_VD: Tensor, ids_VM: Tensor, places_V2: Tensor, known: Vocabulary, pictures: int) -> Told:
    """How surely each visual token says what its square shows: cross-entropy over the ids that the batch knows, of the
    token's closeness to their embeddings, and its distance from the embedding that it should have. Right is a square whose
    likeliest name is one of its own. An empty square counts little.
    """
    ids_K, wanted_VK = said_by_squares(ids_VM, places_V2, known)
    bare_V = (ids_VM == NOTHING).all(-1)
    table = known.embed[ids_K].float()
    centre, spread = known.embed.float().mean(0), float(known.embed.float().var()) * known.embed.shape[1]
    logits_VK = (tokens_VD.float() - centre) @ (table - centre).T * (SHARPNESS / spread)
    said = -(wanted_VK * logits_VK.log_softmax(-1)).sum(-1)
    apart = (tokens_VD.float() - wanted_VK @ table).square().sum(-1) / spread
    loss = ((said + apart) * torch.where(bare_V, BARE, 1.0)).sum()
    names_VK = logits_VK.masked_fill(torch.isin(ids_K, torch.tensor([*known.sides, *known.levels])), float("-inf"))
    right = wanted_VK.gather(1, names_VK.argmax(-1, keepdim=True))[~bare_V] > 0
    return Told(loss, int(right.sum()), max(1, len(right)), pictures)


def train_names(
    model: Causal, planner: Planner, stage: Naming, out: Path, seed: int, ranks: Ranks = ALONE, *, workers: int = 1
) -> None:
    """Trains the connector and, where it has a rate, the eye (see `loop.go`)."""
    sight = planner.spec.sight
    assert sight is not None
    embed = model.language.embed.weight.detach()
    vocabulary = Vocabulary.of(planner.tokenizer, embed)
    make = partial(lesson, planner=planner, stage=stage, seed=seed)

    def works(first: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return stream(make, first * ranks.count + ranks.rank, workers, by=ranks.count)

    def judge(work: tuple[np.ndarray, np.ndarray]) -> Told:
        pictures, ids = work
        seen = [view for n, picture in enumerate(pictures) for view in look(sight, picture, n)]
        sizes = [Size(picture.shape[1], picture.shape[0]) for picture in pictures]
        grids = tuple(grid for n, size in enumerate(sizes) for grid in grids_of(sight, size, n))
        visual = model.see(Sight(torch.from_numpy(packed(seen)), grids, tuple((size.width, size.height) for size in sizes)))
        return told_names(visual.tokens_VD, torch.from_numpy(ids).flatten(0, 1), places(visual.laid), vocabulary, len(pictures))

    masters, rates = masters_of(model, stage.rates, stage.decay)
    go(Course(stage.name, stage.minutes, rates, stage.warmup, 1.0, works, judge), masters, out, ranks)


def lesson(step: int, planner: Planner, stage: Naming, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures and the ids of what their squares hold; depends on its arguments alone."""
    assert planner.spec.sight is not None
    rng, material = random.Random(f"naming {seed} {step}"), assets("train")
    kinds = rng.choices(list(stage.mix), list(stage.mix.values()), k=stage.batch)
    made = [sample(step * stage.batch + n, seed, "train", kind, 224, material) for n, kind in enumerate(kinds)]
    side = planner.spec.sight.encoder.patch
    ids = np.stack([names(one, side, planner.tokenizer) for one in made])
    return np.stack([one.picture for one in made]), ids
