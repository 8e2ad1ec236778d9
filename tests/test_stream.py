"""Work done ahead comes in order, whoever did it, and its processes end with it."""

import multiprocessing
import time
from functools import partial
from typing import Any

import pytest

from chiasm.train.stream import stream


def piece(step: int, weight: bytes) -> tuple[int, int]:
    return step, len(weight)


def unlucky(step: int) -> int:
    return 1 // (2 - step)


def test_what_cannot_be_made_is_told_at_once() -> None:
    made = stream(unlucky, first=0)
    assert [next(made), next(made)] == [0, 1]
    with pytest.raises(RuntimeError, match=r"piece 2 cannot be made:(?s:.*)ZeroDivisionError"):
        next(made)


def test_pieces_come_in_order_from_several_processes() -> None:
    # What makes them is larger than a pipe holds, so that handing it over waits for its taker.
    made: Any = stream(partial(piece, weight=b"x" * 300_000), first=5, workers=2, ahead=2, by=3)
    assert [next(made) for _ in range(4)] == [(step, 300_000) for step in (5, 8, 11, 14)]
    made.close()
    for _ in range(100):
        if not multiprocessing.active_children():
            break
        time.sleep(0.1)
    assert not multiprocessing.active_children()
