"""Float64 throughout, for models whose code asks for float32 by name here and there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from chiasm.layers.rope import frequencies


class Wide(TorchFunctionMode):
    """Whoever asks for float32 gets float64."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is Tensor.float:
            return args[0].double()
        return func(*map(_widened, args), **{name: _widened(value) for name, value in (kwargs or {}).items()})


def _widened(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value


@contextmanager
def wide() -> Iterator[None]:
    """What is computed inside is computed in float64, where it begins with float64 or with nothing. Frequencies that are kept
    from call to call are forgotten on both sides of the border."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    frequencies.cache_clear()
    try:
        with Wide():
            yield
    finally:
        torch.set_default_dtype(usual)
        frequencies.cache_clear()


def doubled(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors with their floats in float64."""
    return {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
