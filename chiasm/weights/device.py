"""Where a model computes."""

from __future__ import annotations

import torch

from chiasm.errors import UserError


def device_of(name: str) -> torch.device:
    """A device by its name; "auto" is a GPU where torch finds one. Raises `UserError` for one that this machine, or its torch,
    does not have."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise UserError(f"there is no device {name!r} here: auto, cpu, or cuda where torch finds a GPU") from None
    return device


def exactly(dtype: torch.dtype, device: torch.device) -> None:
    """Makes float32 mean float32: on a GPU torch lets convolutions, and nothing else, round what they multiply to 10 bits."""
    if device.type == "cuda" and dtype == torch.float32:
        torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]
