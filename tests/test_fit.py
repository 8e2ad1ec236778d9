"""The largest picture, and the most of them, that a budget has room for."""

from dataclasses import replace

import pytest
from machines import SIZE, model, plain, square, tiny, tower

from chiasm.budget import Memory, Tokens, budget, fit, picture_cost
from chiasm.errors import BadPicture
from chiasm.geometry import Size
from chiasm.spec import Causal as CausalSpec


def brute(spec: CausalSpec, shape: Size, limit: int, up_to: int) -> Size | None:
    """The largest size by trying them all, one pixel of the longer side at a time."""
    assert spec.sight is not None
    best = None
    for long in range(1, up_to + 1):
        short = max(1, round(long * min(shape.width, shape.height) / max(shape.width, shape.height)))
        size = Size(long, short) if shape.width >= shape.height else Size(short, long)
        try:
            cost = picture_cost(spec.sight, size)
        except BadPicture:
            continue
        best = size if cost.tokens <= limit else best
    return best


@pytest.mark.parametrize("shape", [Size(4, 3), Size(3, 4), Size(16, 9)])
@pytest.mark.parametrize("limit", [4, 50, 333])
def test_the_largest_resolution_is_the_one_found_by_trying_all(shape: Size, limit: int) -> None:
    spec = tiny("qwen2-vl", "2b", replace(tower("qwen2-vl", "2b"), block=plain(), depth=1))
    found = fit(spec, Size(shape.width * 20, shape.height * 20), Tokens(limit))
    assert found.bounded and found.largest is not None
    assert found.largest.size == brute(spec, shape, limit, 800)
    assert found.largest.tokens <= limit


def test_what_always_fits_is_bounded_by_the_door_alone() -> None:
    found = fit(model("llava-1.5", "7b"), SIZE, Tokens(600))
    assert not found.bounded and found.largest is not None and found.largest.size == square(8192) and found.pictures == 1


def test_what_never_fits_says_so() -> None:
    found = fit(model("llava-1.5", "7b"), SIZE, Tokens(500))
    assert found.largest is None and found.pictures == 0


def test_memory_holds_at_the_answer_and_not_one_step_beyond() -> None:
    spec = model("qwen2-vl", "2b")
    limit = 5_000_000_000
    found = fit(spec, Size(4000, 3000), Memory(limit), text=50, generate=100)
    assert found.largest is not None and found.bounded
    inside = budget(spec, [found.largest.size], 50, 100).memory_bytes("bfloat16")
    width = found.largest.size.width + 28
    outside = budget(spec, [Size(width, round(width * 3 / 4))], 50, 100).memory_bytes("bfloat16")
    assert inside <= limit < outside
    most = budget(spec, [Size(4000, 3000)] * found.pictures, 50, 100).memory_bytes("bfloat16")
    assert most <= limit < budget(spec, [Size(4000, 3000)] * (found.pictures + 1), 50, 100).memory_bytes("bfloat16")


def test_several_pictures_share_the_budget() -> None:
    spec = model("qwen2-vl", "2b")
    two, one = fit(spec, SIZE, Tokens(2000), count=2), fit(spec, SIZE, Tokens(1000))
    assert two.largest is not None and two.largest == one.largest
