"""Which visual token stands at which position of a row: pictures fill placeholders in reading order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chiasm.errors import BadPrompt
from chiasm.geometry import Size
from chiasm.place import Ints
from chiasm.prompt.items import Clip, Item, called
from chiasm.prompt.row import NO_SLOT
from chiasm.spec import AddByBox, Alone, Cross, Expert, Fusion, Splice, Writer


def filled_rows(spec: Writer, rows: list[Ints], counts: list[int]) -> list[Ints]:
    """Rows with room for their pictures, where a picture is a whole row. Raises `BadPrompt` for words beside one."""
    if spec.sight is None or not isinstance(spec.sight.fusion, Alone):
        return rows
    words = sum(map(len, rows))
    if words or len(rows) != len(counts):
        message = (
            f"{len(rows)} rows of {words} tokens of text for {len(counts)} pictures, and this model reads one picture a row "
            "without a word: give as many rows, all of them empty, and the text as their targets"
        )
        raise BadPrompt(message)
    return [np.zeros(count, np.int64) for count in counts]


def slots_of(spec: Writer, rows: list[Ints], items: Sequence[Item], counts: list[int], names: Sequence[str]) -> list[Ints]:
    """The visual token of each position of each row, `NO_SLOT` where there is none; `counts` are how many each item has.

    Raises `BadPrompt` naming the row, both counts and the items where placeholders and pictures disagree.
    """
    slots = [np.full(len(row), NO_SLOT, np.int64) for row in rows]
    if spec.sight is None:
        return slots
    starts = np.cumsum([0, *counts])
    fusion = spec.sight.fusion
    match fusion:
        case AddByBox() | Cross():
            return slots
        case Alone():
            return [np.arange(starts[number], starts[number + 1]) for number in range(len(rows))]
        case Splice(image, int(video)):
            kinds: list[tuple[int, tuple[type, ...]]] = [(image, (Size,)), (video, (Clip,))]
        case Splice(image) | Expert(image):
            kinds = [(image, (Size, Clip))]
    for placeholder, kind in kinds:
        queue = [number for number, item in enumerate(items) if isinstance(item, kind)]
        for number, row in enumerate(rows):
            here = np.flatnonzero((row == placeholder) | _inside(row, fusion))
            taken: list[int] = []
            while queue and sum(counts[item] for item in taken) < len(here):
                taken.append(queue.pop(0))
            filled = sum(counts[item] for item in taken)
            if filled != len(here):
                raise BadPrompt(_disagreement(number, len(here), taken, counts, items, names))
            slots[number][here] = [token for item in taken for token in range(starts[item], starts[item + 1])]
        if queue:
            message = (
                f"{called(queue[0], items, names)} has no placeholder in any row: {len(queue)} of {len(items)} items are left"
            )
            raise BadPrompt(message)
    return slots


def _inside(row_T: Ints, fusion: Fusion) -> np.ndarray:
    """Where ids stand between the two that close a picture in."""
    if not isinstance(fusion, Splice) or fusion.inside is None:
        return np.zeros(len(row_T), bool)
    opens, closes = (np.cumsum(row_T == edge) for edge in fusion.inside)
    return (opens > closes) & (row_T != fusion.inside[0])


def _disagreement(
    row: int, places: int, taken: list[int], counts: list[int], items: Sequence[Item], names: Sequence[str]
) -> str:
    filled = sum(counts[item] for item in taken)
    which = "; ".join(f"{called(item, items, names)} has {counts[item]}" for item in taken) or "no picture is left for it"
    return f"row {row} has {places} image placeholders and its pictures {filled} visual tokens: {which}"
