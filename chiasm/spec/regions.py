"""Rectangles of a picture that a text points at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Regions:
    """A vector for each rectangle, in the place of the id `mark` in the text (GPT4RoI, arXiv:2307.03601).

    Maps are the states of the picture's encoder at `taps`, each but the last stretched to twice the cells a side of the next.
    Each is led on with its cells' places beside it, then `mixes` times gets a quarter of its channels from either neighbour and
    goes through one convolution for all, normed in `groups`. Of a rectangle `side` x `side` samples of every map are summed,
    read by a linear layer, joined with its edges and led to the decoder. `named`: how the tokenizer calls the mark."""

    mark: int
    taps: tuple[int, ...]
    mixes: int = 5
    side: int = 14
    groups: int = 64
    edges: int = 256
    named: str | None = None
