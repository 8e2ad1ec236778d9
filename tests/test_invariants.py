"""What holds for every family, a new one included: each invariant is stated once, and a table says who keeps it.

An invariant that a family cannot keep is declared with its reason; nothing is left out silently.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from invariants import INVARIANTS
from invariants.asking import asked
from invariants.exempt import BY_KIND, EXCEPTIONS
from invariants.rows import batch_is_single
from shrink import shrunk, tiny

from chiasm.model import (
    AnyModel,
    assemble,
)
from chiasm.reference.make import redraw
from chiasm.registry import families
from chiasm.spec import Causal as CausalSpec
from chiasm.spec import Find as FindSpec
from chiasm.spec import (
    LinearScaling,
    Model,
    Plain,
    Rope,
    breaks,
)


@pytest.mark.parametrize("invariant", INVARIANTS)
@pytest.mark.parametrize("name", families())
def test_invariant(name: str, invariant: str, record_property: Callable[[str, object], None]) -> None:
    family = families()[name]
    declared = breaks(family.model).get(invariant)
    reason = BY_KIND[family.kind].get(invariant) or EXCEPTIONS.get((name, invariant)) or declared
    record_property("invariant", (name, invariant, reason or "kept"))
    if reason is None:
        model = tiny(family.model)
        with torch.set_grad_enabled(invariant.startswith("gradients")):
            INVARIANTS[invariant](model)
    else:
        assert len(reason) > 20
    if declared is not None:
        with torch.inference_mode(), pytest.raises(AssertionError):
            INVARIANTS[invariant](changing(family.model))


def changing(model: Model, original: int | None = None) -> AnyModel:
    """A shrunk model; where its frequencies follow the length, from `original` positions on, or from just before the end of
    the longest row that is asked."""
    small = shrunk(model)
    if isinstance(small, CausalSpec) and not breaks(small.decoder):
        return tiny(model)
    if isinstance(small, FindSpec):
        return tiny(model)
    assert isinstance(small, CausalSpec) and isinstance(small.decoder.rope, Rope)
    at = max(map(len, asked(small).rows)) - 1 if original is None else original
    scaling = small.decoder.rope.scaling
    assert not isinstance(scaling, Plain | LinearScaling)
    scaling = replace(scaling, original=at)
    modules = assemble(replace(small, decoder=replace(small.decoder, rope=replace(small.decoder.rope, scaling=scaling)))).eval()
    redraw(modules, 0)
    return modules


def test_every_size_of_every_family_shrinks_and_runs() -> None:
    for family in families().values():
        for size in family.sizes:
            broken = "batch_is_single" in breaks(family.at(size))
            with torch.inference_mode(), pytest.raises(AssertionError) if broken else nullcontext():
                batch_is_single(changing(family.at(size)) if broken else tiny(family.at(size)))


def test_what_breaks_at_a_length_holds_before_it() -> None:
    """Frequencies that follow the length are the same for all rows that end before they change."""
    for family in families().values():
        for invariant in breaks(family.model.decoder) if isinstance(family.model, CausalSpec) else ():
            with torch.inference_mode():
                INVARIANTS[invariant](changing(family.model, 1024))
