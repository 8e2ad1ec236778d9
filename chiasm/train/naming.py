"""Stage 1's first half: the connector learns to say what stands where, in the language model's own vocabulary.

Each visual token learns to say, by its closeness to their embeddings, what its square shows (`names`), and a tally learns to
count (`tallies`). No forward through the
language model is needed, so this goes at the speed of the eye; afterwards the model reads pictures almost as it reads words,
and the rest of the stages starts from there.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from chiasm.connect.steps import Visual
from chiasm.connect.tally import TallyStep
from chiasm.geometry import Size
from chiasm.model import Causal, Sight
from chiasm.pixels.views import look, packed
from chiasm.place import WHOLE, Laid
from chiasm.prompt.items import grids_of
from chiasm.prompt.planner import Planner
from chiasm.render import assets, sample
from chiasm.train.loop import Course, Told, go
from chiasm.train.masters import ALONE
from chiasm.train.names import NOTHING, Vocabulary, names, places, said_by_squares
from chiasm.train.parts import Part, Rate, masters_of
from chiasm.train.ranks import Ranks
from chiasm.train.stream import stream
from chiasm.train.tallies import tallies, told_tallies

BARE, COVERED = 0.05, 0.15
"""How much an empty square counts, and one that shows part of a thing."""
LENGTH = 0.1
"""How much it counts how long a token is."""
COUNTS = 4.0
"""How much it counts that a tally is one off."""
SHARPNESS = 20.0
"""The logit of an embedding whose direction is met exactly."""


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
    length: float = 1.0
    """How long tokens should be, in lengths of what they should say; a language model that reads longer ones already is
    disturbed by others, and without any measure tokens grow beside what is added to them (places)."""


def told_names(tokens_VD: Tensor, ids_VM: Tensor, places_V2: Tensor, known: Vocabulary, pictures: int, length: float) -> Told:
    """How surely each visual token says what its square shows: cross-entropy over all ids that squares can say, of the
    token's direction to their embeddings', how far it points from the mixture that it should be, and LENGTH times the square
    of the logarithm of how far its length is from `length` times the mixture's. Right is a square whose likeliest name is one
    of its own. A square that names nothing counts little.
    """
    wanted_VK = said_by_squares(ids_VM, places_V2, known)
    bare_V = (ids_VM == NOTHING).all(-1)
    named_V = ~bare_V & (ids_VM[:, 0] != known.part)
    table_KD, mixed_VD = known.embed_KD - known.centre, wanted_VK @ known.embed_KD - known.centre
    tokens_VD = tokens_VD.float() - known.centre
    logits_VK = F.normalize(tokens_VD, dim=-1) @ F.normalize(table_KD, dim=-1).T * SHARPNESS
    said = -(wanted_VK * logits_VK.log_softmax(-1)).sum(-1)
    longer = (tokens_VD.norm(dim=-1) / (length * mixed_VD.norm(dim=-1))).log()
    apart = 1 - F.cosine_similarity(tokens_VD, mixed_VD, dim=-1) + LENGTH * longer.square()
    weights = torch.where(bare_V, BARE, torch.where(named_V, 1.0, COVERED))
    loss = ((said + apart) * weights).sum()
    elsewhere = known.rank(torch.tensor([*known.sides, *known.levels], device=known.ids_K.device))
    best = logits_VK.index_fill(1, elsewhere, float("-inf")).argmax(-1, keepdim=True)
    right = wanted_VK.gather(1, best)[named_V] > 0
    return Told(loss, int(right.sum()), max(1, len(right)), pictures)


def train_names(
    model: Causal, planner: Planner, stage: Naming, out: Path, seed: int, ranks: Ranks = ALONE, *, workers: int = 1
) -> None:
    """Trains the connector and, where it has a rate, the eye (see `loop.go`)."""
    sight = planner.spec.sight
    assert sight is not None
    embed = model.language.embed.weight.detach()
    vocabulary = Vocabulary.of(planner.tokenizer, embed, assets("train").concepts)
    make = partial(lesson, planner=planner, stage=stage, seed=seed)

    def works(first: int) -> Iterator[Lesson]:
        return stream(make, first * ranks.count + ranks.rank, workers, by=ranks.count)

    def judge(work: Lesson) -> Told:
        pictures, ids, counts = work
        seen = [view for n, picture in enumerate(pictures) for view in look(sight, picture, n)]
        sizes = [Size(picture.shape[1], picture.shape[0]) for picture in pictures]
        grids = tuple(grid for n, size in enumerate(sizes) for grid in grids_of(sight, size, n))
        patches_PK = torch.from_numpy(packed(seen)).to(embed.device)
        visual = model.see(Sight(patches_PK, grids, tuple((size.width, size.height) for size in sizes)))
        squares = squares_of(visual)
        shown = torch.from_numpy(ids).flatten(0, 1).to(embed.device), places(squares.laid).to(embed.device)
        told = told_names(squares.tokens_VD, *shown, vocabulary, len(pictures), stage.length)
        for step in model.connect.steps:
            if isinstance(step, TallyStep):
                sums_GN = step.sums(squares.tokens_VD, squares.laid)
                told = replace(told, loss=told.loss + COUNTS * told_tallies(sums_GN, torch.from_numpy(counts).to(embed.device)))
        return told

    masters, rates = masters_of(model, stage.rates, stage.decay)
    go(Course(stage.name, stage.minutes, rates, stage.warmup, 1.0, works, judge), masters, out, ranks)


Lesson = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Pictures, the ids of what their squares hold, and how many of each sort they show."""


def squares_of(visual: Visual) -> Visual:
    """The tokens that stand somewhere, without those of the whole picture."""
    somewhere_V = visual.laid.place_V4[:, 3] != WHOLE
    laid = Laid(visual.laid.place_V4[somewhere_V], visual.laid.grids)
    return Visual(visual.tokens_VD[torch.from_numpy(somewhere_V)], laid)


def lesson(step: int, planner: Planner, stage: Naming, seed: int) -> Lesson:
    """Depends on its arguments alone."""
    assert planner.spec.sight is not None
    rng, material = random.Random(f"naming {seed} {step}"), assets("train")
    kinds = rng.choices(list(stage.mix), list(stage.mix.values()), k=stage.batch)
    made = [sample(step * stage.batch + n, seed, "train", kind, 224, material) for n, kind in enumerate(kinds)]
    side = planner.spec.sight.encoder.patch
    ids = np.stack([names(one, side, planner.tokenizer) for one in made])
    return np.stack([one.picture for one in made]), ids, np.stack([tallies(one) for one in made])
