"""The same pictures for fewer tokens: by a model's own views where those have a limit, else by steps after its connector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from chiasm.assistant import Assistant
from chiasm.connect.compressed import compressed
from chiasm.errors import UserError
from chiasm.geometry import Size
from chiasm.geometry.limits import limited, limits
from chiasm.local import LocalAssistant
from chiasm.probe.skill import SIDE, SIZES
from chiasm.prompt.messages import Image, Message
from chiasm.prompt.planner import Planner
from chiasm.spec import Causal

STEPS = ("merge-alike:8", "merge-alike:4", "merge-alike:2")
"""For models that show every picture in one size."""


@dataclass(frozen=True)
class Spent:
    """A limit by its name, how many tokens a picture of `size` times the drawn one costs within it, what `load` calls it."""

    named: str
    by: Literal["budget", "compress"]
    size: float
    tokens: int


def tokens_of(assistant: Assistant, size: float) -> int | None:
    """What a picture of so many times the drawn size costs; none where a model does not plan, sees nothing, or has no room for
    it."""
    if not isinstance(assistant, LocalAssistant) or assistant.planner is None or assistant.planner.spec.sight is None:
        return None
    return _counted(assistant.planner, size)


def spent(assistant: Assistant) -> tuple[Spent, ...]:
    """The limits under which a picture costs another number of tokens, the fewest first."""
    plain = {tokens_of(assistant, size) for size in (1.0, *SIZES)}
    found: dict[int, Spent] = {}
    for one in _tried(assistant):
        if one.tokens not in plain:
            found.setdefault(one.tokens, one)
    return tuple(found[tokens] for tokens in sorted(found))


def _tried(assistant: Assistant) -> Iterator[Spent]:
    if tokens_of(assistant, 1.0) is None or not isinstance(assistant, LocalAssistant) or assistant.planner is None:
        return
    planner, spec = assistant.planner, assistant.planner.spec
    if not isinstance(spec, Causal):
        return
    for named in limits(spec):
        tokens = _counted(replace(planner, spec=limited(spec, named)), SIZES[-1])
        if tokens is not None:
            yield Spent(named, "budget", SIZES[-1], tokens)
    if limits(spec):
        return
    for named in STEPS:
        try:
            held = replace(planner, spec=compressed(spec, named))
        except UserError:
            # Pictures that do not stand in the sequence, or prompts that mark rows of cells.
            return
        tokens = _counted(held, 1.0)
        if tokens is not None:
            yield Spent(named, "compress", 1.0, tokens)


def _counted(planner: Planner, size: float) -> int | None:
    side = round(SIDE * size)
    try:
        return planner.plan([[Message("user", (Image(0),))]], [Size(side, side)]).spent(0)[0]
    except UserError:
        # The context holds no such picture.
        return None
