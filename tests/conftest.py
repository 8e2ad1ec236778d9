"""What every test shares."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

Reference = Callable[..., Path]
"""reference(name, variant, seed=0, geometry=None) -> a folder that is built once a session; do not write into it."""


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny models lose more to waiting threads than they gain."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    from chiasm.reference.make import build

    root = tmp_path_factory.mktemp("references")

    def built(name: str, variant: int, seed: int = 0, geometry: int | None = None) -> Path:
        folder = root / f"{name}-{variant}-s{seed}-g{geometry}"
        if not folder.exists():
            build(name, variant, seed, geometry, folder)
        return folder

    return built
