"""Stage 1's first half: the connector learns to say what stands where, in the language model's own vocabulary.

Each visual token is drawn towards the mean embedding of the letters printed in its square and of the names of what it shows.
No forward through the language model is needed, so this goes at the speed of the eye; afterwards the model reads pictures
almost as it reads words, and the rest of the stages starts from there.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from chiasm.geometry import Size
from chiasm.model import Causal, Sight
from chiasm.pixels.views import look, packed
from chiasm.prompt.plan import grids_of
from chiasm.prompt.planner import Planner
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.render import Sample, assets, sample
from chiasm.render.truth import Box
from chiasm.train.masters import Masters
from chiasm.train.schedule import schedule
from chiasm.train.stream import stream
from chiasm.weights.write import write_json

NOTHING = -1


@dataclass(frozen=True)
class Naming:
    """How long, at what rate, on what: shares of each kind of picture, and pictures a batch."""

    name: str
    minutes: float
    rate: float
    mix: Mapping[str, float]
    batch: int
    decay: float = 0.01
    warmup: int = 50


def names(made: Sample, side: int, tokenizer: Tokenizer, most: int = 8) -> np.ndarray:
    """Ids of what each square of `side` pixels holds, row by row: [squares, most], NOTHING where there is no more."""
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


def naming_loss(tokens_VD: Tensor, ids_VM: Tensor, embed: Tensor) -> Tensor:
    """Squared distance of visual tokens to the mean embedding of what they show, over the vocabulary's own variance."""
    shown = ids_VM != NOTHING
    some = shown.any(-1)
    weights = shown[some].to(embed.dtype)[..., None]
    target_VD = (embed[ids_VM[some].clamp(min=0)] * weights).sum(1) / weights.sum(1)
    return F.mse_loss(tokens_VD[some].float(), target_VD.float()) / embed.float().var()


def train_names(model: Causal, planner: Planner, stage: Naming, out: Path, seed: int, *, workers: int = 1) -> None:
    """Trains the connector alone for the stage's minutes of wall time in all; a stopped run goes on from its last save."""
    sight = planner.spec.sight
    assert sight is not None
    model.requires_grad_(False)
    model.connect.requires_grad_(True)
    group = {f"connect.{name}": p for name, p in model.connect.named_parameters()}
    masters = Masters({"connect": group}, stage.decay, (0.9, 0.98))
    state_file, tensors_file = out / f"{stage.name}.json", out / f"{stage.name}.safetensors"
    step, before = 0, 0.0
    if state_file.is_file():
        state = json.loads(state_file.read_text())
        step, before = state["step"], state["seconds"]
        masters.restore(tensors_file)
    budget, started = 60 * stage.minutes, time.monotonic()
    if before >= budget:
        return
    saved = logged = started
    losses: list[float] = []
    embed = model.language.embed.weight.detach()
    with (out / f"{stage.name}.jsonl").open("a", buffering=1) as log:
        make = partial(lesson, planner=planner, stage=stage, seed=seed)
        for pictures, ids in stream(make, step, workers):
            seen = [view for n, picture in enumerate(pictures) for view in look(sight, picture, n)]
            sizes = [Size(picture.shape[1], picture.shape[0]) for picture in pictures]
            grids = tuple(grid for n, size in enumerate(sizes) for grid in grids_of(sight, size, n))
            patches = torch.from_numpy(packed(seen))
            visual = model.see(Sight(patches, grids, tuple((size.width, size.height) for size in sizes)))
            loss = naming_loss(visual.tokens_VD, torch.from_numpy(ids).flatten(0, 1), embed)
            loss.backward()
            seconds = before + time.monotonic() - started
            masters.step({"connect": stage.rate * schedule(step, stage.warmup, seconds / budget)}, 1.0)
            step, now, done = step + 1, time.monotonic(), seconds >= budget
            losses.append(float(loss.detach()))
            if now - logged > 10 or done:
                facts = {"step": step, "seconds": round(seconds), "loss": round(float(np.mean(losses)), 4)}
                log.write(json.dumps(facts | {"pictures_per_s": round(len(losses) * stage.batch / (now - logged), 1)}) + "\n")
                losses, logged = [], now
            if now - saved > 120 or done:
                masters.save(tensors_file)
                write_json(state_file, {"step": step, "seconds": seconds})
                saved = now
            if done:
                return


def lesson(step: int, planner: Planner, stage: Naming, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures and the ids of what their squares hold; depends on its arguments alone."""
    assert planner.spec.sight is not None
    rng, material = random.Random(f"naming {seed} {step}"), assets("train")
    kinds = rng.choices(list(stage.mix), list(stage.mix.values()), k=stage.batch)
    made = [sample(step * stage.batch + n, seed, "train", kind, 224, material) for n, kind in enumerate(kinds)]
    side = planner.spec.sight.encoder.patch
    ids = np.stack([names(one, side, planner.tokenizer) for one in made])
    return np.stack([one.picture for one in made]), ids
