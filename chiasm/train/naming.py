"""Stage 1's first half: the connector learns to say what stands where, in the language model's own vocabulary.

Each visual token is drawn towards the mean embedding of the letters printed in its square and of the names of what it shows.
No forward through the language model is needed, so this goes at the speed of the eye; afterwards the model reads pictures
almost as it reads words, and the rest of the stages starts from there.
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
from chiasm.place import Laid
from chiasm.prompt.plan import grids_of
from chiasm.prompt.planner import Planner
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.render import Sample, assets, sample
from chiasm.render.truth import Box
from chiasm.train.loop import Course, Told, go
from chiasm.train.masters import ALONE, Masters
from chiasm.train.parts import Part, trainable
from chiasm.train.ranks import Ranks
from chiasm.train.stream import stream

NOTHING = -1
BLANK = " nothing"
"""What an empty square says."""
BARE = 0.05
"""How much an empty square counts."""
SIDES, LEVELS = (" left", " right"), (" above", " below")
"""What squares say of where they lie."""
PLACED = 0.15
"""How much of what a square says is its side, and how much its level."""
FADING = 0.6
"""The weight of a letter in a square, against the one left of it."""
SHARPNESS = 20.0
"""The logit of an embedding that is met exactly."""


@dataclass(frozen=True)
class Naming:
    """How long, at what rates (a part without one stays frozen), on what shares of each kind of picture, how many a batch."""

    name: str
    minutes: float
    rates: Mapping[Part, float]
    mix: Mapping[str, float]
    batch: int
    decay: float = 0.01
    warmup: int = 50


def names(made: Sample, side: int, tokenizer: Tokenizer, most: int = 8) -> np.ndarray:
    """Ids of what each square of `side` pixels holds, letters from left to right, then the words of things, row by row:
    [squares, most], NOTHING where there is no more."""
    height, width = made.picture.shape[:2]
    rows, columns = height // side, width // side
    held: list[list[int]] = [[] for _ in range(rows * columns)]
    for letter in sorted(made.truth.letters, key=lambda letter: letter.box[0]):
        x, y = (letter.box[0] + letter.box[2]) / 2, (letter.box[1] + letter.box[3]) / 2
        if 0 <= x < width and 0 <= y < height:
            held[int(y) // side * columns + int(x) // side] += tokenizer.encode(letter.char)
    for thing in made.truth.things:
        words = [token for word in (thing.colour, thing.name) if word for token in tokenizer.encode(f" {word}")]
        for cell in _covered(thing.box, side, rows, columns):
            held[cell] += words
    filled = np.full((rows * columns, most), NOTHING, np.int64)
    for cell, ids in enumerate(held):
        filled[cell, : len(ids[:most])] = ids[:most]
    return filled


def _covered(box: Box, side: int, rows: int, columns: int) -> Iterator[int]:
    """Squares whose centre a box covers; at least the one of its own centre."""
    left, top, right, bottom = box
    found = False
    for row in range(rows):
        for column in range(columns):
            if left <= (column + 0.5) * side <= right and top <= (row + 0.5) * side <= bottom:
                found = True
                yield row * columns + column
    if not found:
        column, row = int((left + right) / 2) // side, int((top + bottom) / 2) // side
        if 0 <= row < rows and 0 <= column < columns:
            yield row * columns + column


@dataclass(frozen=True)
class Vocabulary:
    """The language model's embeddings, with the ids of what a square says that shows nothing, and of where it lies."""

    embed: Tensor
    blank: int
    sides: tuple[int, int]
    levels: tuple[int, int]

    @classmethod
    def of(cls, tokenizer: Tokenizer, embed: Tensor) -> Vocabulary:
        blank, left, right, above, below = (tokenizer.encode(word)[0] for word in (BLANK, *SIDES, *LEVELS))
        return cls(embed, blank, (left, right), (above, below))


def wanted_names(ids_VM: Tensor, places_V2: Tensor, known: Vocabulary) -> tuple[Tensor, Tensor]:
    """The ids that the squares of a batch say, [K], and how much of each every square says, [V, K], in all 1.

    Of several ids in a square the first weighs most, so that order is not lost. Where it lies, (across, down) from 0 to 1,
    is said by more or less of "left" and "right", of "above" and "below".
    """
    shown_VM = ids_VM != NOTHING
    ids_VM = torch.where(shown_VM, ids_VM, known.blank)
    shown_VM[:, 0] = True
    names_VM = shown_VM * FADING ** torch.arange(ids_VM.shape[1])
    names_VM *= (1 - 2 * PLACED) / names_VM.sum(-1, keepdim=True)
    across_V1, down_V1 = places_V2.split(1, -1)
    where_V4 = PLACED * torch.cat([1 - across_V1, across_V1, 1 - down_V1, down_V1], -1)
    words_V4 = torch.tensor([*known.sides, *known.levels]).expand(len(ids_VM), -1)
    ids_K, of = torch.cat([ids_VM, words_V4], -1).unique(return_inverse=True)
    said = torch.cat([names_VM, where_V4], -1)
    return ids_K, torch.zeros(len(ids_VM), len(ids_K)).scatter_add_(1, of, said)


def places(laid: Laid) -> Tensor:
    """How far across and down its picture each token lies, from 0 to 1: [V, 2]."""
    extents = np.array([(grid.w, grid.h) for grid in laid.grids])[laid.place_V4[:, 0]]
    return torch.from_numpy((laid.place_V4[:, [3, 2]] + 0.5) / extents).float()


def told_names(tokens_VD: Tensor, ids_VM: Tensor, places_V2: Tensor, known: Vocabulary, pictures: int) -> Told:
    """How surely each visual token says what its square shows: cross-entropy over the ids that the batch knows, of the
    token's closeness to their embeddings, and its distance from the embedding that it should have. Right is a square whose
    likeliest name is one of its own. An empty square counts little.
    """
    ids_K, wanted_VK = wanted_names(ids_VM, places_V2, known)
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

    masters = Masters(trainable(model, stage.rates), stage.decay, (0.9, 0.98))
    go(Course(stage.name, stage.minutes, stage.rates, stage.warmup, 1.0, works, judge), masters, out, ranks)


def lesson(step: int, planner: Planner, stage: Naming, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures and the ids of what their squares hold; depends on its arguments alone."""
    assert planner.spec.sight is not None
    rng, material = random.Random(f"naming {seed} {step}"), assets("train")
    kinds = rng.choices(list(stage.mix), list(stage.mix.values()), k=stage.batch)
    made = [sample(step * stage.batch + n, seed, "train", kind, 224, material) for n, kind in enumerate(kinds)]
    side = planner.spec.sight.encoder.patch
    ids = np.stack([names(one, side, planner.tokenizer) for one in made])
    return np.stack([one.picture for one in made]), ids
