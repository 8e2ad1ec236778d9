"""How far outputs are from those that were expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from chiasm.reference.given import Given

MASKED = 1e30
"""Beyond it a number says that something is not to be chosen: minus infinity, or the least of its type."""


def compare(
    expected: Mapping[str, Tensor], got: Mapping[str, Tensor], given: Given, meta: Mapping[str, Any]
) -> tuple[dict[str, float], list[str]]:
    """The largest |got - expected| / (1 + |expected|) of every tensor that both have, pads left out (infinite where
    shapes differ or numbers are none); and the required ones that are missing."""
    main = meta.get("main") or []
    needed = [*([main] if isinstance(main, str) else main), *(["generated"] if "generated" in expected else [])]
    worst = {}
    for name in sorted((expected.keys() & got.keys()) - given.tensors.keys()):
        want, have = expected[name].double(), got[name].double()
        if want.shape != have.shape:
            worst[name] = float("inf")
            continue
        same = (want == have) | ((want.abs() > MASKED) & (have.abs() > MASKED) & (want.sign() == have.sign()))
        difference = ((want - have).abs() / (1 + want.abs())).masked_fill(same, 0)
        if name in meta.get("pad_zeroed", []):
            difference = difference[given.valid_BT]
        if name in meta.get("pad_zeroed_expanded", []):
            difference = difference[expected["expanded_attention_mask"].bool()]
        worst[name] = float(difference.nan_to_num(nan=float("inf")).max()) if difference.numel() else 0.0
    return worst, [name for name in needed if name not in got]
