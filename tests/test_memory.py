"""Large tensors in mappings that are used again."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from chiasm.layers import memory

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mappings are Linux's")


def large(count: int = 1) -> torch.Tensor:
    return memory.empty((count * memory.LARGE,), torch.uint8, CPU)


def test_a_mapping_waits_for_the_next_tensor_and_none_is_held_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_idle", [])
    first = large()
    place, view = first.data_ptr(), first[5:]
    del first
    second = large()
    assert second.data_ptr() != place, "a view still holds it"
    del view
    assert large().data_ptr() == place
    assert large(3).data_ptr() != place, "too small"


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_idle", [])
    monkeypatch.setattr(memory, "KEPT", 3 * memory.LARGE)
    held = [large() for _ in range(5)]
    held.clear()
    assert sum(map(len, memory._idle)) <= memory.KEPT
    large(4)
    assert sum(map(len, memory._idle)) <= memory.KEPT


def test_threads_never_share_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_idle", [])

    def fill(number: int) -> bool:
        return all(bool((large().fill_(number) == number).all()) for _ in range(20))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(fill, range(4)))
