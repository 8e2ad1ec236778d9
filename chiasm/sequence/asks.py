"""Which pictures a token may ask, where they are asked outside of the sequence."""

from __future__ import annotations

import numpy as np

from chiasm.place import Ints
from chiasm.spec import Cross


def seen(fusion: Cross, ids_T: Ints) -> Ints:
    """The first and the next but last picture of its own row that each token sees, alike where it sees none: [2, T]."""
    shows = ids_T == fusion.image
    end_T = np.cumsum(shows)
    match fusion.sees:
        case "latest":
            first_T = end_T - 1
        case "run":
            opens = shows & ~np.pad(shows, (1, 0))[:-1]
            first_T = np.maximum.accumulate(np.where(opens, end_T - 1, 0))
        case "all":
            first_T = np.zeros_like(end_T)
    blind = end_T == 0
    if fusion.forgets is not None:
        blind |= _forgotten(shows, ids_T == fusion.forgets)
    return np.where(blind, 0, np.stack([first_T, end_T]))


def _forgotten(shows: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """After an end and before the next picture."""
    places = np.arange(len(shows))
    last_end, last_shown = (np.maximum.accumulate(np.where(here, places, -1)) for here in (ends, shows))
    before: np.ndarray = np.pad(last_end, (1, 0), constant_values=-1)[:-1] > last_shown
    return before
