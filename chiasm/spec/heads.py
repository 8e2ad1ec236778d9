"""What reads a decoder's states, in place of the vocabulary's scores or beside them."""

from __future__ import annotations

from dataclasses import dataclass

from chiasm.spec.connectors import Mlp
from chiasm.spec.masks import Segment


@dataclass(frozen=True)
class MultiVector:
    """A unit vector of `width` for every position, from one linear layer (ColBERT, arXiv:2004.12832; ColPali,
    arXiv:2407.01449)."""

    width: int


@dataclass(frozen=True)
class Pointing:
    """Regions that a text names by the id `mark` (LISA, arXiv:2308.00692): the state that it was written from becomes, `by` an
    MLP, the only prompt of a model that outlines, which sees the picture for itself. Such a decoder goes on writing.

    `named`: how the tokenizer calls the mark, where it alone knows its id.
    """

    mark: int
    by: Mlp
    outlines: Segment
    named: str | None = None


Head = MultiVector | Pointing
