"""Connector steps that read a view's tokens by a fixed number of learned queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chiasm.spec.block import Block, Norm


@dataclass(frozen=True)
class Resampler:
    """A view's tokens read by `queries` learned ones in `depth` blocks, whose keys are the tokens and the queries themselves
    (a perceiver, arXiv:2103.03206, as Idefics2 has it, arXiv:2405.02246); a norm at the end."""

    block: Block
    depth: int
    queries: int
    ordinals: int = 0
    """A learned vector for each of a row's first so many pictures, added to its tokens (the first Flamingo)."""


@dataclass(frozen=True)
class Told:
    """What the system says and the first question after it. Where the system says nothing, a sentence of the family's own, by
    what is shown first."""

    picture: str
    clip: str


@dataclass(frozen=True)
class Words:
    """Text that a connector reads beside what was seen: its own vocabulary and learned places. `of` a conversation it is all of
    it (InstructBLIP), or what it is told (VideoChat2)."""

    vocab: int
    positions: int
    of: Literal["all"] | Told = "all"


@dataclass(frozen=True)
class QFormer:
    """A view's tokens read by `queries` learned ones in `depth` blocks with norms after their sums: the queries ask one
    another and, in every block whose number is a multiple of `every`, the view (BLIP-2's Q-Former, arXiv:2301.12597).

    With `words` a text's tokens stand beside the queries, which see them and are seen; they pass MLPs of their own and never
    ask the view (InstructBLIP, arXiv:2305.06500). `added` queries were learned later than the others (arXiv:2311.17005).
    """

    block: Block
    depth: int
    queries: int
    every: int = 2
    words: Words | None = None
    added: int = 0


@dataclass(frozen=True)
class Reader:
    """A view's tokens, led to `width` and normed, read once by `queries` learned ones; what was read is normed and projected
    (Qwen-VL, arXiv:2308.12966). Keys have their places added: of a square `table` for as many cells as there are queries,
    stretched to the view and added to the queries too; or the sines of their own `cells` (MiniCPM-V, arXiv:2408.01800)."""

    width: int
    heads: int
    queries: int
    norm: Norm
    places: Literal["table", "cells"]


@dataclass(frozen=True)
class Asker:
    """A view's tokens read once by `queries` learned ones of their own `width`, whose keys are the tokens and the queries
    themselves, without a norm or a residual (Kosmos-2, arXiv:2306.14824)."""

    width: int
    heads: int
    queries: int
