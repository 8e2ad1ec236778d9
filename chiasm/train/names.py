"""What each square of a drawn picture says, in the language model's own vocabulary.

Letters printed in it, names and colours of what it shows, and where it lies: a mixture of embeddings that a model of text
half understands before it was ever shown a picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chiasm.place import Laid
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.render import Sample
from chiasm.render.truth import Box

NOTHING = -1
"""In rows of ids: no further id."""
BLANK = " nothing"
"""What an empty square says."""
SIDES, LEVELS = (" left", " right"), (" above", " below")
"""What squares say of where they lie."""
PLACED = 0.15
"""How much of what a square says is its side, and how much its level."""
FADING = 0.6
"""The weight of a letter in a square, against the one left of it."""


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
    """The language model's embeddings [S, D], with the ids of what a square says that shows nothing, and of where it lies."""

    embed: Tensor
    blank: int
    sides: tuple[int, int]
    levels: tuple[int, int]

    @classmethod
    def of(cls, tokenizer: Tokenizer, embed: Tensor) -> Vocabulary:
        blank, left, right, above, below = (tokenizer.encode(word)[0] for word in (BLANK, *SIDES, *LEVELS))
        return cls(embed, blank, (left, right), (above, below))


def said_by_squares(ids_VM: Tensor, places_V2: Tensor, known: Vocabulary) -> tuple[Tensor, Tensor]:
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
