"""Kosmos-2's dialect (arXiv:2306.14824): a box is two words, each a cell of a square grid over the picture.

`<patch_index_0000>` to `<patch_index_1023>` are the cells of 32 rows of 32, of the box's upper left and lower right corner. A
phrase may stand before, `<phrase>a fire</phrase><object><patch_index_0005><patch_index_0911></object>`, and more boxes behind
`</delimiter_of_multi_objects/>`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from chiasm.errors import BadPrompt
from chiasm.place import Box

SIDE = 32
"""Cells along each edge of the published model's pictures."""

MORE = "</delimiter_of_multi_objects/>"
MARK = re.compile(r"<[^>\n]*>")
PAIR = re.compile(r"<patch_index_(\d+)><patch_index_(\d+)>")
OBJECT = re.compile(
    rf"(?:<phrase>(?P<phrase>[^<]+)</phrase>)?<object>(?P<pairs>(?:{PAIR.pattern}{MORE})*{PAIR.pattern})</object>"
)


@dataclass(frozen=True)
class Grounded:
    """A phrase of a text without marks, where it begins and ends there, and its boxes in fractions of the picture.

    Where an object has no phrase, each box stands for itself, named by its two cells, at the place of the object.
    """

    phrase: str
    start: int
    end: int
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Said:
    """An answer without its marks, and what it points at."""

    text: str
    grounded: tuple[Grounded, ...]


def cells(box: Box, side: int = SIDE) -> tuple[int, int]:
    """The cells of a box's upper left and lower right corner; an edge between two cells counts to the inner one.

    Raises `BadPrompt` for a box that is not in fractions, or that is empty.
    """
    if box.frame != "fraction" or not (box.x1 > box.x0 and box.y1 > box.y0):
        raise BadPrompt(
            f"{box} has no cells: a box in fractions is expected, its right above its left and its bottom above its top"
        )
    left, top = math.floor(box.x0 * side), math.floor(box.y0 * side)
    right, bottom = math.ceil(box.x1 * side - 1), math.ceil(box.y1 * side - 1)
    return top * side + left, bottom * side + right


def box(first: int, last: int, side: int = SIDE) -> Box:
    """The box between two cells: from centre to centre, but around both cells where they share a row or a column. Cells in the
    wrong order make a box whose corners are."""
    (top, left), (bottom, right), size = divmod(first, side), divmod(last, side), 1.0 / side
    if left == right or top == bottom:
        return Box(left * size, top * size, right * size + size, bottom * size + size, "fraction")
    half = size / 2
    return Box(left * size + half, top * size + half, right * size + half, bottom * size + half, "fraction")


def read(text: str, side: int = SIDE) -> Said:
    """An answer's text without marks and spaces around it, and every object whose cells come in pairs, in order."""
    plain = MARK.sub("", text)
    cut = len(plain) - len(plain.lstrip())
    found: list[Grounded] = []
    for match in OBJECT.finditer(text):
        pairs = [(int(first), int(last)) for first, last in PAIR.findall(match["pairs"])]
        if match["phrase"] is None:
            at = _plain(text, match.start()) - cut
            alone = ((f"<patch_index_{first}><patch_index_{last}>", (box(first, last, side),)) for first, last in pairs)
            found += [Grounded(name, at, at, boxes) for name, boxes in alone]
            continue
        phrase, start, end = match["phrase"], _plain(text, match.start("phrase")), _plain(text, match.end("phrase"))
        before, after = len(phrase) - len(phrase.lstrip()), len(phrase) - len(phrase.rstrip())
        boxes = tuple(box(first, last, side) for first, last in pairs)
        found.append(Grounded(phrase.strip(), start - cut + before, end - cut - after, boxes))
    return Said(plain.strip(), tuple(found))


def write(phrase: str, boxes: Sequence[Box], side: int = SIDE) -> str:
    """A phrase and its boxes, as the model is asked and answers; an empty phrase is left out."""
    pairs = ("".join(f"<patch_index_{cell:04d}>" for cell in cells(one, side)) for one in boxes)
    named = f"<phrase>{phrase}</phrase>" if phrase else ""
    return f"{named}<object>{MORE.join(pairs)}</object>"


def _plain(text: str, place: int) -> int:
    """Where a place of a text is once the marks before it are gone."""
    return len(MARK.sub("", text[:place]))
