"""Where a model computes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from chiasm.errors import UserError

SETTING = "CHIASM_DEVICE"
"""The variable that says what "auto" is."""


def device_of(name: str) -> torch.device:
    """A device by its name; "auto" is what `CHIASM_DEVICE` names, else a GPU where torch finds one. Raises `UserError` for one
    that this machine, or its torch, does not have."""
    said = os.environ.get(SETTING) or "auto" if name == "auto" else name
    if said == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(said)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        by = f", as {SETTING} says" if name == "auto" else ""
        raise UserError(f"there is no device {said!r} here{by}: auto, cpu, or cuda where torch finds a GPU") from None
    return device


@contextmanager
def within_memory() -> Iterator[None]:
    """Raises `UserError` with what to lower where a GPU's memory is not enough."""
    try:
        yield
    except torch.OutOfMemoryError:
        message = (
            "the GPU has too little memory left for this: ask less at once (a smaller batch, fewer or smaller pictures, a "
            f'shorter answer), load a smaller model or dtype "bfloat16", or compute elsewhere ({SETTING}=cpu)'
        )
        raise UserError(message) from None


def exactly(dtype: torch.dtype, device: torch.device) -> None:
    """Makes float32 mean float32: on a GPU torch lets convolutions, and nothing else, round what they multiply to 10 bits."""
    if device.type == "cuda" and dtype == torch.float32:
        torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]
