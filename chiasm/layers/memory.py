"""Large tensors that are filled piece by piece."""

from __future__ import annotations

import math
import mmap
import sys
import weakref
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

LARGE = 4 * 2**20
"""Bytes from which a tensor is worth a mapping of its own."""

KEPT = 256 * 2**20
"""Bytes of mappings that wait for the next tensor: a batch's cache is allocated anew for every batch."""

_idle: list[mmap.mmap] = []


def empty(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """As `torch.empty`. A large one in Linux's memory takes a mapping that an earlier one left, whose pages are there already,
    or a new one that asks for pages of 2 MiB: to touch 56 MB for the first time takes 45 ms, for the second one."""
    size = math.prod(shape) * dtype.itemsize
    if device.type != "cpu" or sys.platform != "linux" or size < LARGE:
        return torch.empty(shape, dtype=dtype, device=device)
    pages = _left(size) or _mapped(_rounded(size))
    held = np.frombuffer(pages, np.uint8, size)
    # The tensor holds the array and nothing else does: it ends with the tensor's storage.
    weakref.finalize(held, _leave, pages).atexit = False
    return torch.from_numpy(held).view(dtype).view(shape)


def _rounded(size: int) -> int:
    """Up to a multiple of a quarter of the largest power of two below: the next batch is seldom as long to the byte, and pages
    that are never touched cost nothing."""
    step = 2 ** (size.bit_length() - 3)
    return -(-size // step) * step


def _mapped(size: int) -> mmap.mmap:
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without large pages refuses the advice
        pages.madvise(mmap.MADV_HUGEPAGE)
    return pages


def _left(size: int) -> mmap.mmap | None:
    """The smallest idle mapping that is large enough and less than twice too large."""
    for pages in sorted(_idle, key=len):
        if size <= len(pages) < 2 * size:
            with suppress(ValueError):  # another thread was quicker
                _idle.remove(pages)
                return pages
    return None


def _leave(pages: mmap.mmap) -> None:
    """Keeps a mapping for the next tensor; the oldest ones go where there are too many."""
    _idle.append(pages)
    while sum(map(len, _idle)) > KEPT:
        _idle.pop(0)
