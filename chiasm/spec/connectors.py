"""Steps from what an encoder gives to visual tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chiasm.spec.block import Activation, Norm
from chiasm.spec.compress import MergeAlike, MergeFrames, Prune
from chiasm.spec.queries import Asker, QFormer, Reader, Resampler


@dataclass(frozen=True)
class Mlp:
    """`depth` linear layers to `width`, an activation between them; `hidden` is the width in between."""

    width: int
    hidden: int
    depth: int = 2
    act: Activation = "gelu"
    bias: bool = True
    gated: bool = False
    """Two layers and a gate: down(act(gate(x)) * up(x))."""


@dataclass(frozen=True)
class Normed:
    """A norm over each token."""

    norm: Norm


@dataclass(frozen=True)
class Bend:
    """An activation by itself."""

    act: Activation


@dataclass(frozen=True)
class Enclose:
    """A learned vector before the tokens of each view, and another one after them."""


@dataclass(frozen=True)
class Merge:
    """Neighbours of a `side` x `side` square joined by width, row by row: pixel shuffle, patch merging. A grid that is no
    multiple of the square is refused, or filled with zeros at its far edges."""

    side: int = 2
    odd: Literal["refused", "zeros"] = "refused"


@dataclass(frozen=True)
class JoinTiles:
    """LLaVA-NeXT's assembly: the tiles after the first view become one grid. `keeps` is what of it goes on: "picture", its
    padding cut away by the picture's own shape, a learned newline after every row; "canvas", all of it, no newlines.

    `most`: a picture of clearly more tokens than so many tiles have is shrunk to about that, bilinearly (LLaVA-OneVision,
    arXiv:2408.03326). `clips`: as they are, or closed by one newline.
    """

    keeps: Literal["picture", "canvas"] = "picture"
    most: int | None = None
    clips: Literal["as_they_are", "closed"] = "as_they_are"


@dataclass(frozen=True)
class PoolClips:
    """Every frame of a clip made smaller by `side` in both directions; pictures pass. "average" and "max" leave out what is no
    whole square; "bilinear" rounds the number of cells up."""

    side: int = 2
    how: Literal["average", "max", "bilinear"] = "average"


@dataclass(frozen=True)
class PoolTime:
    """A clip of `frames` averaged to `steps` grids of `rows` x `columns`, over neighbours that are shared where the numbers do
    not divide (PLLaVA, arXiv:2404.16994). A clip of fewer frames, a picture too, shows each of them several times."""

    frames: int
    steps: int
    rows: int
    columns: int


@dataclass(frozen=True)
class TwoMeans:
    """A clip as the mean of each frame, zeros up to `steps` of them, then the mean of each cell over all frames, rounded to
    half precision (Video-ChatGPT, arXiv:2306.05424)."""

    steps: int


@dataclass(frozen=True)
class Recut:
    """The numbers of all tokens of a batch in one line, cut anew into as many tokens of `width` numbers, the rest dropped: what
    BLIP-2's class does over a language model whose embeddings are narrower than its blocks. No published model has one, and
    with it a picture's tokens depend on the pictures before it."""

    width: int


@dataclass(frozen=True)
class PoolSquares:
    """Every view made smaller by `side` in both directions, the mean of squares; what the last ones lack is mirrored."""

    side: int = 2


@dataclass(frozen=True)
class RowsOfTiles:
    """The tiles after the first view as one picture, as far as it is not padding, and the first view: a learned mark after
    every row of both, another one between them. `first` says which comes first."""

    first: Literal["tiles", "whole"]


@dataclass(frozen=True)
class Align:
    """Each of the `parts` that several encoders joined by width through a linear layer of its own to an equal share of `width`,
    then an activation and one more layer."""

    parts: tuple[int, ...]
    width: int
    act: Activation = "gelu"


@dataclass(frozen=True)
class Unit:
    """Each token divided by its length."""


@dataclass(frozen=True)
class Times:
    """Every number times the same one."""

    by: float


@dataclass(frozen=True)
class EndFrames:
    """A token of its own after each frame's codes: -1, but -2 after the last frame or a picture."""


@dataclass(frozen=True)
class EndRows:
    """A token of its own after each row of a picture's codes: none of the encoder's, -1."""


@dataclass(frozen=True)
class Placed:
    """A learned vector for each row, each column and each step of time, added to the tokens that stand there, as far as an axis
    has any (0: none). What stands for the whole of an axis gets nothing of it, nor of time where there is one step alone."""

    rows: int = 0
    columns: int = 0
    steps: int = 0


@dataclass(frozen=True)
class Tally:
    """`tokens` more after each view's own, which say how much of what the view shows. Of `slots` sorts of things a token, each
    of the view's tokens says how many it adds (a layer of `hidden`), and the sums (deep sets, arXiv:1703.06114) are handed on
    as numbers up to `most`: a learned vector for the sort, and one between those of the two nearest whole numbers."""

    tokens: int
    slots: int
    hidden: int
    most: int = 9


Step = (
    Mlp
    | Normed
    | Bend
    | Enclose
    | Merge
    | JoinTiles
    | PoolClips
    | Resampler
    | PoolTime
    | TwoMeans
    | Align
    | QFormer
    | PoolSquares
    | RowsOfTiles
    | Reader
    | Recut
    | EndFrames
    | EndRows
    | Unit
    | Times
    | Asker
    | Placed
    | Tally
    | MergeAlike
    | Prune
    | MergeFrames
)
