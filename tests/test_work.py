"""The arithmetic of budgets against the modules that run: work, bytes, tokens."""

import pytest
import torch
from machines import MACHINES
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from chiasm.budget import BYTES, budget
from chiasm.generate.engine import prefill
from chiasm.geometry import Size
from chiasm.language.gated import Gallery
from chiasm.layers.cache import KVCache
from chiasm.model import Causal
from chiasm.prompt.plan import Plan
from chiasm.spec import AddByBox, Alone, Both, Cross
from chiasm.spec import Causal as CausalSpec


def planned(spec: CausalSpec, sizes: list[Size], text: int) -> Plan:
    assert spec.sight is not None and not isinstance(spec.sight.fusion, Alone | AddByBox)
    costs = budget(spec, sizes)
    return Plan.from_ids(spec, [[*[spec.sight.fusion.image] * costs.places, *range(1, 1 + costs.marks + text)]], sizes)


def matrix_times_vector(matrix: tuple[int, ...], *_: object, **__: object) -> int:
    """torch's counter knows no product with a vector."""
    return 2 * matrix[0] * matrix[1]


@pytest.mark.parametrize("name", MACHINES)
def test_flops_are_those_that_torch_counts(name: str) -> None:
    spec, sizes = MACHINES[name]
    torch.manual_seed(0)
    machine = Causal(spec).eval().requires_grad_(False)
    plan = planned(spec, sizes, 11)
    eye = spec.sight
    assert eye is not None
    encoder = eye.encoder
    patch = max(encoder.patch, encoder.high.tower.patch) if isinstance(encoder, Both) else encoder.patch
    # A picture's frames are equal.
    still = torch.randn(sum(grid.cells for grid in plan.grids), 3, 1, patch**2)
    patches = still.expand(-1, -1, encoder.frames, -1).flatten(1)
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.mv: matrix_times_vector})
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), counter:
        prefill(machine, plan.batch(patches), 1)
    expected = budget(spec, sizes, text=11).work
    assert counter.get_total_flops() == expected.total
    by_part = counter.get_flop_counts()
    assert sum(by_part["Causal.vision"].values()) == expected.vision
    # The keys of what is asked outside of the sequence are made before it is read.
    crossed = isinstance(eye.fusion, Cross)
    assert crossed or sum(by_part["Causal.language"].values()) == expected.language_linear + expected.language_attention


@pytest.mark.parametrize("name", MACHINES)
def test_bytes_are_those_of_the_modules(name: str) -> None:
    spec, sizes = MACHINES[name]
    machine = Causal(spec)
    costs = budget(spec, sizes, text=11, generate=5)
    # What was measured and not learned is left out.
    weights = sum(parameter.nbytes for parameter in machine.parameters() if parameter.requires_grad)
    assert costs.weight_bytes("float32") == weights == 2 * costs.weight_bytes("bfloat16")
    cache = machine.room(1, costs.positions)
    held = 0
    if costs.outside:
        sight = torch.randn(sum(picture.patches for picture in costs.pictures), 3 * spec.sight.encoder.patch**2)  # type: ignore[union-attr]
        _, past = prefill(machine.eval(), planned(spec, sizes, 11).batch(sight), 5)
        assert isinstance(past, KVCache) and isinstance(past.beside, Gallery)
        held = sum(part.nbytes for pair in past.beside.held for part in pair)
    assert costs.cache_bytes("float32") == cache.keys.nbytes + cache.values.nbytes + held
    assert all(costs.memory_bytes(dtype) > costs.weight_bytes(dtype) for dtype in BYTES)


@pytest.mark.parametrize("name", MACHINES)
def test_the_plan_that_runs_has_the_budgets_numbers(name: str) -> None:
    spec, sizes = MACHINES[name]
    plan, costs = planned(spec, sizes, 11), budget(spec, sizes, text=11)
    assert plan.visual_tokens() == [picture.visual for picture in costs.pictures]
    assert len(plan.rows[0]) == costs.prefill
    assert sum(grid.cells for grid in plan.grids) == sum(picture.patches for picture in costs.pictures)
