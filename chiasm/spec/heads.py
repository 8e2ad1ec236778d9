"""What reads a decoder's states in place of the vocabulary's scores."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MultiVector:
    """A unit vector of `width` for every position, from one linear layer (ColBERT, arXiv:2004.12832; ColPali,
    arXiv:2407.01449)."""

    width: int


Head = MultiVector
