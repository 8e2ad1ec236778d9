"""Invariants that a part breaks because its reference does, each with its reason."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar


class Declares:
    """A part that breaks an invariant because its reference does: `breaks` says which one, and why."""

    breaks: ClassVar[dict[str, str]]


def breaks(value: Any) -> dict[str, str]:
    """The invariants that a model's parts declare to break, each with its reason."""
    if not dataclasses.is_dataclass(value):
        return {}
    own: dict[str, str] = dict(value.breaks) if isinstance(value, Declares) else {}
    inner = (breaks(getattr(value, f.name)) for f in dataclasses.fields(value))
    return {name: reason for found in (own, *inner) for name, reason in found.items()}
