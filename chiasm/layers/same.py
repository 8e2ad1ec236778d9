"""Where a model's parameters are counted, parts that would be equal are made once: a decoder has one block, many times.

Nothing else may ask for this: parts of a model that runs have numbers of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from torch import nn

P = ParamSpec("P")
M = TypeVar("M", bound=nn.Module)

_MADE: ContextVar[dict[Hashable, Any] | None] = ContextVar("made", default=None)


def same(make: Callable[P, M], *given: P.args, **named: P.kwargs) -> M:
    """A new part; inside `shared`, the very one that was made of the same before."""
    made = _MADE.get()
    if made is None:
        return make(*given, **named)
    key = (make, given, tuple(named.items()))
    if key not in made:
        made[key] = make(*given, **named)
    part: M = made[key]
    return part


@contextmanager
def shared() -> Iterator[None]:
    """Inside, equal parts are one module, within a model and among models."""
    token = _MADE.set({})
    try:
        yield
    finally:
        _MADE.reset(token)


def total(module: nn.Module, known: dict[nn.Module, int]) -> int:
    """How many parameters a module has, those of a shared part as often as it stands there; measured statistics not."""
    if module not in known:
        own = sum(p.numel() for p in module.parameters(recurse=False) if p.requires_grad)
        known[module] = own + sum(total(part, known) for part in module._modules.values() if part is not None)
    return known[module]
