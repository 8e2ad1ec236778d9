"""Pages: words in boxes, and what of them a plan takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chiasm.errors import BadPrompt
from chiasm.place import Ints
from chiasm.resample import Floats
from chiasm.spec import Seq2Seq, Writer

Corners = tuple[float, float, float, float]
"""Of a box, (x0, y0, x1, y1)."""


def boxes_of(spec: Writer, boxes: Sequence[Sequence[Corners]], rows: Sequence[Ints], pages: int) -> list[Floats | None]:
    """The boxes of each row's tokens. Raises `BadPrompt` where a model that reads pages lacks a box or a page, where a box
    reaches beyond its page, and for a model that does not read pages."""
    if not isinstance(spec, Seq2Seq) or spec.language.boxes is None:
        if boxes:
            raise BadPrompt(
                "this model has no use for boxes of words: give their picture alone, or choose one that reads pages"
            )
        return [None] * len(rows)
    if len(boxes) != len(rows) or pages not in (0, len(rows)):
        message = (
            f"{len(rows)} rows of words with {len(boxes)} rows of boxes and {pages} pictures: this model reads a box for every "
            "word, and one page for each row or none at all"
        )
        raise BadPrompt(message)
    found: list[Floats | None] = []
    for number, (row_T, given) in enumerate(zip(rows, boxes, strict=True)):
        boxes_T4 = np.asarray(given, np.float32).reshape(-1, 4)
        if len(boxes_T4) != len(row_T):
            raise BadPrompt(f"row {number} has {len(row_T)} tokens and {len(boxes_T4)} boxes: give every token its word's box")
        if ((boxes_T4 < 0) | (boxes_T4 > 1)).any():
            wrong = boxes_T4[((boxes_T4 < 0) | (boxes_T4 > 1)).any(1)][0].tolist()
            raise BadPrompt(f"row {number} has the box {wrong}: its edges are fractions of the page, from 0 to 1")
        found.append(boxes_T4)
    return found
