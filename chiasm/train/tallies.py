"""How many of each sort a picture shows: what a tally (`spec.Tally`) is taught, and the words that its tokens begin as."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from chiasm.prompt.tokenizer import Tokenizer
from chiasm.render import Sample
from chiasm.render.shapes import COLOURS, SHAPES
from chiasm.spec import Tally

_FIRST, _SECOND = ("shape", *COLOURS), ("bar", *SHAPES, "picture")
SORTS = tuple(zip(_FIRST, _SECOND, strict=True))
"""Two sorts of things a token: all shapes and bars beside bars, a colour beside a shape; emoji beside the last colour."""
NUMBERS = (
    (" no", " one", " two", " three", " four", " five", " six", " seven", " eight", " nine"),
    ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
)
"""How the first slot's numbers are written, and the second's: a token that says both must be read apart."""
TALLY = Tally(len(SORTS), 2, hidden=96, most=len(NUMBERS[0]) - 1)
UNCOUNTED = -1.0
"""Where there are more than can be told."""


def tallies(made: Sample) -> np.ndarray:
    """The true number of each sort, token by token: [tokens x slots]."""
    found = Counter(thing.colour for thing in made.truth.things if thing.colour)
    found["shape"] = sum(found.values())
    found.update(thing.name if thing.colour else "picture" for thing in made.truth.things)
    counts = [float(found[sort]) for pair in SORTS for sort in pair]
    return np.array([count if count <= TALLY.most else UNCOUNTED for count in counts], np.float32)


def told_tallies(sums_GN: Tensor, counts_GN: Tensor) -> Tensor:
    """How far the sums are from the true numbers, in all; where there are none of a sort counts a quarter."""
    apart_GN = F.smooth_l1_loss(sums_GN, counts_GN, reduction="none")
    weights_GN = torch.where(counts_GN > 0, 1.0, 0.25) * (counts_GN != UNCOUNTED)
    return (apart_GN * weights_GN).sum()


def tally_by_words(tokenizer: Tokenizer, embed: Tensor, loud: float) -> dict[str, Tensor]:
    """Where a tally's vectors begin: at its sorts' names and at written numbers, `loud` times as long, in shares alike."""

    def said(word: str) -> Tensor:
        return embed[tokenizer.encode(word)[0]]

    share = loud / (2 * TALLY.slots)
    sorts = torch.stack([torch.stack([said(f" {sort}") for sort in pair]) for pair in SORTS])
    numbers = torch.stack([torch.stack([said(number) for number in row]) for row in NUMBERS])
    return {"sorts": share * sorts, "numbers": share * numbers}
