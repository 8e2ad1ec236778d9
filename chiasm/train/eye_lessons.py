"""Turns drawn samples into lessons, in a worker process of its own."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import fields

import numpy as np
import torch

from chiasm.render import Sample, assets, sample
from chiasm.render.truth import Box
from chiasm.train.eye_heads import (
    COLOUR_NAMES,
    END,
    LETTER_CELL,
    LETTER_OF,
    READER_LENGTH,
    START,
    TEXT_OF,
    THING_CELL,
    THINGS,
    Lesson,
)  # fmt: skip

PAGES = {"page": 1.0}
DENSE = {
    "page": 0.45, "crowd": 0.17, "many shapes": 0.11, "mixed shapes": 0.12, "bars": 0.05, "table": 0.05, "receipt": 0.05,
}  # fmt: skip
MIX = {
    "number": 0.06, "word": 0.04, "line": 0.04, "page": 0.27, "one shape": 0.02, "mixed shapes": 0.10,
    "many shapes": 0.10, "bars": 0.07, "curve": 0.02, "table": 0.05, "receipt": 0.05, "named": 0.06, "pair": 0.02,
    "crowd": 0.10,
}  # fmt: skip
"""Share of every kind of picture in a lesson: of the first letters, of many things a picture, and of all tasks."""

_UNREAD = frozenset({"named", "pair", "crowd"})


def letter_cells(made: Sample) -> np.ndarray:
    """Classes of the letter cells: a letter owns the middle six tenths of its width, one column at least."""
    high, wide = LETTER_CELL
    rows, columns = made.picture.shape[0] // high, made.picture.shape[1] // wide
    cells = np.zeros((rows, columns), np.int64)
    for letter in made.truth.letters:
        left, top, right, bottom = letter.box
        margin = 0.2 * (right - left)
        x0, x1 = math.ceil((left + margin) / wide - 0.5), math.floor((right - margin) / wide - 0.5)
        y0, y1 = math.ceil(top / high - 0.5), math.floor(bottom / high - 0.5)
        if x1 < x0:
            x0 = x1 = int((left + right) / 2 / wide)
        if y1 < y0:
            y0 = y1 = int((top + bottom) / 2 / high)
        if x1 >= 0 and y1 >= 0:
            cells[max(0, y0) : y1 + 1, max(0, x0) : x1 + 1] = LETTER_OF.get(letter.char, 0)
    return cells


def lesson_of(samples: list[Sample], rng: random.Random, concepts: dict[str, int]) -> dict[str, np.ndarray]:
    """The fields of a `Lesson` as arrays; asks one random question of every sample that has one."""
    size = samples[0].picture.shape[0]
    side = size // THING_CELL
    things = np.zeros((len(samples), side, side), np.int64)
    colours = np.full((len(samples), side, side), -1, np.int64)
    emoji: list[tuple[int, int, int]] = []
    boxes: list[Box] = []
    texts: list[list[int]] = []
    answers = np.zeros((len(samples), 2), np.int64)
    for b, made in enumerate(samples):
        for thing in made.truth.things:
            x = min(side - 1, int((thing.box[0] + thing.box[2]) / 2 / THING_CELL))
            y = min(side - 1, int((thing.box[1] + thing.box[3]) / 2 / THING_CELL))
            if thing.colour:
                things[b, y, x] = 1 + THINGS.index(thing.name)
                colours[b, y, x] = COLOUR_NAMES.index(thing.colour)
            else:
                things[b, y, x] = 1 + THINGS.index("emoji")
                emoji.append((b, concepts[thing.name], len(boxes)))
                boxes.append(thing.box)
        text: list[int] = []
        questions = () if made.kind in _UNREAD else made.questions
        if questions:
            question = rng.choice(questions)
            text = [*(TEXT_OF[c] for c in question.key), START]
            first = len(text)
            text += [*(TEXT_OF[c] for c in question.answer), END]
            if len(text) <= READER_LENGTH:
                answers[b] = first, len(text)
            else:
                text = []
        texts.append(text)
    longest = max(1, *map(len, texts))
    padded = np.full((len(texts), longest), END, np.int64)
    for b, text in enumerate(texts):
        padded[b, : len(text)] = text
    return {
        "pixels_BHWC": np.stack([s.picture for s in samples]),
        "letters_BYX": np.stack([letter_cells(s) for s in samples]),
        "things_BYX": things,
        "colours_BYX": colours,
        "emoji_N3": np.array(emoji, np.int64).reshape(-1, 3),
        "emoji_boxes_N4": np.array(boxes, np.float32).reshape(-1, 4),
        "text_BT": padded,
        "answer_B2": answers,
    }


def make_lesson(step: int, seed: int, size: int, batch: int, shares: Mapping[str, float] = MIX) -> dict[str, np.ndarray]:
    """Arrays of lesson number `step`; depends on its arguments alone."""
    material = assets("train")
    rng = random.Random(f"lesson {seed} {step}")
    mix = {k: v for k, v in shares.items() if material.styles or k not in _UNREAD}
    kinds = rng.choices(list(mix), list(mix.values()), k=batch)
    samples = [sample(step * batch + b, seed, "train", k, size, material) for b, k in enumerate(kinds)]
    return lesson_of(samples, rng, {name: k for k, name in enumerate(material.concepts)})


def to_lesson(arrays: dict[str, np.ndarray], device: torch.device | str = "cpu") -> Lesson:
    return Lesson(**{f.name: torch.from_numpy(arrays[f.name]).to(device) for f in fields(Lesson)})


def lesson_at(step: int, plan: Callable[[int], tuple[int, int, Mapping[str, float]]], seed: int) -> dict[str, np.ndarray]:
    """Arrays of lesson number `step`, of which `plan` tells picture size, pictures a batch and shares of kinds."""
    size, batch, shares = plan(step)
    return make_lesson(step, seed, size, batch, shares)
