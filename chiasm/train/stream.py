"""Work done ahead in processes of its own, in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.queues import Queue
from queue import Full
from traceback import format_exc
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Broken:
    """What stands in the place of a piece that could not be made."""

    trace: str


PATIENCE = 300
"""Seconds to wait for one piece of work before something must be wrong."""


def stream(make: Callable[[int], T], first: int, workers: int = 1, ahead: int = 8, by: int = 1) -> Iterator[T]:
    """make(first), make(first + by), ... in order, each made by one of `workers` processes up to `ahead` steps before it is
    asked for. `make` must be picklable and depend on its argument alone, so that a resumed run goes on exactly."""
    context = get_context("spawn")
    # Handed over by a queue: as an argument of its process each would be waited for until it has imported everything.
    orders = context.Queue()
    for _ in range(workers):
        orders.put(make)
    queues = [context.Queue(maxsize=ahead) for _ in range(workers)]
    processes = [
        context.Process(target=_work, args=(queue, orders, first + number * by, workers * by), daemon=True)
        for number, queue in enumerate(queues)
    ]
    for process in processes:
        process.start()
    step = first
    try:
        while True:
            made, work = queues[(step - first) // by % workers].get(timeout=PATIENCE)
            if isinstance(work, Broken):
                raise RuntimeError(f"piece {made} cannot be made:\n{work.trace}")
            assert made == step
            yield work
            step += by
    finally:
        for process in processes:
            process.terminate()


def _work(queue: Queue[Any], orders: Queue[Callable[[int], Any]], step: int, jump: int) -> None:
    # Drawing must not take the processor from the training that waits for it.
    os.nice(5)
    parent, make = os.getppid(), orders.get()
    while True:
        try:
            made = make(step)
        except Exception:
            made = Broken(format_exc())
        while True:
            try:
                queue.put((step, made), timeout=5)
                break
            except Full:
                if os.getppid() != parent:  # the trainer was killed and will never take another piece
                    return
        step += jump
