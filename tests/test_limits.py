"""Views held below a limit: every family that has one spends no more for it, and fewer where it can."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from tiny_folder import tiny_folder

import chiasm
from chiasm.assistant import Request
from chiasm.errors import UserError
from chiasm.geometry import Size
from chiasm.geometry.limits import limited, limits, unit
from chiasm.prompt.items import lay
from chiasm.prompt.messages import question
from chiasm.registry import families
from chiasm.spec import Causal

LARGE = Size(1600, 1200)
HELD = [name for name, family in families().items() if isinstance(family.model, Causal) and limits(family.model)]


def spent(model: Causal) -> int:
    """Places of the grids of a large picture."""
    return sum(grid.h * grid.w for grid in lay(model, [LARGE])[0])


@pytest.mark.parametrize("name", HELD)
def test_a_tighter_limit_never_spends_more(name: str) -> None:
    model = families()[name].model
    assert isinstance(model, Causal)
    counts = [*(spent(limited(model, named)) for named in limits(model)), spent(model)]
    assert all(fewer <= more for fewer, more in pairwise(counts)) and counts[0] < counts[-1]


@pytest.mark.parametrize(
    ("family", "named", "said"),
    [
        ("llava-1.5", "tiles:2", "in one size; compress= leaves it fewer"),
        ("qwen2-vl", "tiles:2", "is held by pixels:N, such as pixels:"),
        ("internvl-2.5", "tiles:none", "is held by tiles:N, such as tiles:1"),
        ("internvl-2.5", "tiles:0", "is held by tiles:N"),
        ("llava-next", "tiles:1", "cuts every picture into 2 tiles or more"),
    ],
)
def test_what_cannot_be_held_says_so(family: str, named: str, said: str) -> None:
    model = families()[family].model
    assert isinstance(model, Causal)
    with pytest.raises(UserError, match=said):
        limited(model, named)


def test_load_takes_a_budget(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path)
    request = Request((question("What?", [0]),), 1)
    counts = [chiasm.load(str(folder), budget=b).plan([request], sizes=[(56, 56)]).spent(0)[0] for b in (None, "longest:28")]
    assert counts == [20, 4] and unit(families()["llava-1.5"].model) is None  # type: ignore[arg-type]
