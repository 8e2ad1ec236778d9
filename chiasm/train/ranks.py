"""Training as several processes, each with its own batches and the same parameters: on two cores, quicker than two threads
inside each product."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.multiprocessing.spawn import spawn


@dataclass(frozen=True)
class Ranks:
    """Which process this is, of how many."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The tensor, in place, summed over all processes, to the same bits in each."""
        if self.count > 1:
            dist.all_reduce(tensor)
        return tensor

    def wait(self) -> None:
        """Until all processes have come here."""
        if self.count > 1:
            dist.barrier()


def spread(work: Callable[..., None], arguments: tuple[Any, ...], count: int) -> None:
    """work(Ranks, *arguments) in `count` processes with one thread each; in this one, where there is only one.

    What one process raises ends them all.
    """
    if count == 1:
        work(Ranks(), *arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        spawn(_join, (work, arguments, count, str(Path(folder) / "ranks")), nprocs=count)


def _join(rank: int, work: Callable[..., None], arguments: tuple[Any, ...], count: int, meeting: str) -> None:
    Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=count)
    try:
        work(Ranks(rank, count), *arguments)
    finally:
        dist.destroy_process_group()


def _end_with(parent: int) -> None:
    """Ends this process with the one that began it: killed, that one could tell nobody."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
