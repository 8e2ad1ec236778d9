"""Rows whose pictures are asked outside of the sequence: which are whose, and which token sees which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from chiasm.errors import BadPrompt
from chiasm.model import Asks
from chiasm.place import Ints
from chiasm.prompt.row import Row
from chiasm.sequence.asks import seen
from chiasm.spec import Cross, Writer


def asked(
    spec: Writer, rows: Sequence[Ints], called: Sequence[str], places: int | None
) -> tuple[list[Ints | None], tuple[int, ...]]:
    """The first and the next but last item that each token of each row sees, [2, T] a row, and the row of each item: nothing
    where pictures are in the sequence.

    Items are taken in reading order, one for each placeholder, or `places` for every row. `called` are their names. Raises
    `BadPrompt` where there are more or fewer.
    """
    if spec.sight is None or not isinstance(spec.sight.fusion, Cross):
        return [None] * len(rows), ()
    fusion = spec.sight.fusion
    wanted = [int((row == fusion.image).sum()) for row in rows]
    counts = wanted if places is None else [max(places, count) for count in wanted]
    starts = np.cumsum([0, *counts]).tolist()
    for row, (start, count) in enumerate(zip(starts, counts, strict=False)):
        if start + count > len(called):
            message = f"row {row} has {count} image placeholders and {max(0, len(called) - start)} pictures are left for it"
            raise BadPrompt(f"{message}: show one for each")
    if starts[-1] < len(called):
        left = len(called) - starts[-1]
        raise BadPrompt(f"{called[starts[-1]]} has no placeholder in any row: {left} of {len(called)} items are left")
    own = [seen(fusion, row) for row in rows]
    sees: list[Ints | None] = [
        np.where(sees_2T[0] < sees_2T[1], sees_2T + start, 0) for sees_2T, start in zip(own, starts, strict=False)
    ]
    return sees, tuple(np.repeat(np.arange(len(rows)), counts).tolist())


def asks(rows: Sequence[Row], rows_I: tuple[int, ...]) -> Asks | None:
    """What the rows' tokens may ask, as a batch padded on the left; none where pictures are in the sequence."""
    sees = [row.sees_2T for row in rows if row.sees_2T is not None]
    if not sees:
        return None
    longest = max(sees_2T.shape[1] for sees_2T in sees)
    padded_B2T = np.stack([np.pad(sees_2T, ((0, 0), (longest - sees_2T.shape[1], 0))) for sees_2T in sees])
    return Asks(rows_I, torch.from_numpy(padded_B2T))
