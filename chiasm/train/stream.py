"""Work done ahead in processes of its own, in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.queues import Queue
from queue import Full
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 300
"""Seconds to wait for one piece of work before something must be wrong."""


def stream(make: Callable[[int], T], first: int, workers: int = 1, ahead: int = 8, by: int = 1) -> Iterator[T]:
    """make(first), make(first + by), ... in order, each made by one of `workers` processes up to `ahead` steps before it is
    asked for. `make` must be picklable and depend on its argument alone, so that a resumed run goes on exactly."""
    context = get_context("spawn")
    queues = [context.Queue(maxsize=ahead) for _ in range(workers)]
    processes = [
        context.Process(target=_work, args=(queue, make, first + number * by, workers * by), daemon=True)
        for number, queue in enumerate(queues)
    ]
    for process in processes:
        process.start()
    step = first
    try:
        while True:
            made, work = queues[(step - first) // by % workers].get(timeout=PATIENCE)
            assert made == step
            yield work
            step += by
    finally:
        for process in processes:
            process.terminate()


def _work(queue: Queue[Any], make: Callable[[int], Any], step: int, jump: int) -> None:
    # Drawing must not take the processor from the training that waits for it.
    os.nice(5)
    parent = os.getppid()
    while True:
        made = make(step)
        while True:
            try:
                queue.put((step, made), timeout=5)
                break
            except Full:
                if os.getppid() != parent:  # the trainer was killed and will never take another piece
                    return
        step += jump
