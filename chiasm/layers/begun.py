"""Parameters that a file may leave out, because it is known how they began."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn


class Begun(nn.Module):
    """A module whose own parameters have known values until they are trained."""

    @abstractmethod
    def begun(self) -> dict[str, Tensor]:
        """Those values, by the parameters' names."""


def begun(model: nn.Module) -> dict[str, Tensor]:
    """The known first values of all of a model's parameters that have such."""
    parts = ((path, module) for path, module in model.named_modules() if isinstance(module, Begun))
    return {f"{path}.{name}": tensor for path, module in parts for name, tensor in module.begun().items()}
