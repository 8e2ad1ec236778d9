"""Encoders of pages: words that stand in boxes, and the picture of the page around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chiasm.spec.encoders import ViT
from chiasm.spec.language import Bidirectional
from chiasm.spec.positions import Relative
from chiasm.spec.views import Pixels, Views


@dataclass(frozen=True)
class BoxTables:
    """Learned vectors of a word's box in `places` steps of the page: `corner` numbers for each of its edges, `size` for its
    height and its width, all added, or beside one another. `closing` is the box of the token that closes a text: empty at the
    page's first corner, or at its last one."""

    places: int
    corner: int
    size: int
    join: Literal["added", "beside"]
    closing: Literal["first", "last"] = "first"


@dataclass(frozen=True)
class PageBias:
    """What distances add to scores, divided by the root of a head's width: of places in the text and among the patches, and of
    boxes on the page, their left and their lower edges."""

    line: Relative | None = None
    page: Relative | None = None


@dataclass(frozen=True)
class PageSight:
    """The page's own picture, whose patches stand after its words."""

    views: Views
    pixels: Pixels
    encoder: ViT


@dataclass(frozen=True)
class Labels:
    """What each word may be: `count` classes, by one linear layer or by two with tanh between."""

    count: int
    depth: Literal[1, 2] = 1


@dataclass(frozen=True)
class EncodePage:
    """A text encoder whose tokens know where on a page they stand, and may see it (LayoutLM, arXiv:1912.13318; LayoutLMv3,
    arXiv:2204.08387)."""

    text: Bidirectional
    boxes: BoxTables
    bias: PageBias = PageBias()
    sight: PageSight | None = None
    labels: Labels | None = None
