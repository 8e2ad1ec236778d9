"""Qwen-VL's dialect (arXiv:2308.12966): a phrase between marks, its box's corners in thousandths of the picture behind it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from chiasm.errors import BadPrompt
from chiasm.place import Box

PARTS = 1000
"""What a picture's edges are divided into."""

MARKED = re.compile(r"<(?P<kind>ref|box|quad|img)>(?P<inside>.*?)</(?P=kind)>", re.DOTALL)
STRAY = re.compile(r"</?(?:ref|box|quad|img)>")
CORNERS = re.compile(r"\((-?\d+),(-?\d+)\),\((-?\d+),(-?\d+)\)")


@dataclass(frozen=True)
class Piece:
    """A stretch of an answer: plain text, or what stands between the marks of its kind."""

    kind: Literal["text", "ref", "box", "quad", "img"]
    inside: str


@dataclass(frozen=True)
class Pointed:
    """A box in thousandths of the picture (left, top, right, bottom), and the phrase that stands right before it."""

    corners: tuple[int, int, int, int]
    phrase: str = ""

    @property
    def box(self) -> Box:
        """The same box in fractions of the picture."""
        x0, y0, x1, y1 = (corner / PARTS for corner in self.corners)
        return Box(x0, y0, x1, y1, "fraction")

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) in whole pixels of a picture, cut down."""
        x0, y0, x1, y1 = (corner / PARTS for corner in self.corners)
        return int(x0 * width), int(y0 * height), int(x1 * width), int(y1 * height)


def pieces(text: str) -> tuple[Piece, ...]:
    """An answer cut at its marks. Raises `BadPrompt` for a mark without its other half."""
    found: list[Piece] = []
    at = 0
    for match in MARKED.finditer(text):
        found += [Piece("text", text[at : match.start()]), Piece(match["kind"], match["inside"])]  # type: ignore[arg-type]
        at = match.end()
    found.append(Piece("text", text[at:]))
    for piece in found:
        stray = STRAY.search(piece.inside)
        if stray:
            raise BadPrompt(f"{stray[0]} in {text!r} has no other half: each mark must be closed before the next one opens")
    return tuple(piece for piece in found if piece.kind != "text" or piece.inside)


def read(text: str) -> tuple[Pointed, ...]:
    """Every box of an answer, in order. Raises `BadPrompt` for a box that is not two corners of whole numbers."""
    cut = pieces(text)
    found = []
    for before, piece in zip((None, *cut), cut, strict=False):
        if piece.kind != "box":
            continue
        match = CORNERS.fullmatch(piece.inside)
        if match is None:
            raise BadPrompt(f"<box>{piece.inside}</box> is no box: (left,top),(right,bottom) in whole numbers is expected")
        left, top, right, bottom = map(int, match.groups())
        phrase = before.inside.strip() if before is not None and before.kind == "ref" else ""
        found.append(Pointed((left, top, right, bottom), phrase))
    return tuple(found)


def write(phrase: str, boxes: Sequence[tuple[int, int, int, int]]) -> str:
    """A phrase and its boxes, as the model is asked and answers; an empty phrase is left out."""
    named = f"<ref>{phrase}</ref>" if phrase else ""
    return named + "".join(f"<box>({x0},{y0}),({x1},{y1})</box>" for x0, y0, x1, y1 in boxes)
