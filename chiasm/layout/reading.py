"""What a layout is, and what it makes of a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chiasm.layout.config import Config
from chiasm.layout.keys import Rule


@dataclass(frozen=True)
class Adapters:
    """Low-rank adapters that a folder holds beside its weights: what they add counts `alpha` / `rank` times; each by its own
    rank where no rank is said."""

    rank: int | None
    alpha: float


@dataclass(frozen=True)
class Beside:
    """Another folder, which holds what a model's own does not, and the rules of its names."""

    source: str
    keys: tuple[Rule, ...]


@dataclass(frozen=True)
class Spoken:
    """How a model was spoken to, for folders that bring no template: told by `facts` of its config, which may tell of none."""

    template: str | None
    facts: str


@dataclass(frozen=True)
class Reading:
    """What a reader makes of a config: a model or a part of one, and the rules from its checkpoint's names to ours. `head` is
    what a folder of this decoder alone calls its head, `body` what stands before the names of the rest; `chat` a template in
    place of the folder's own, where folders of this form bring one that knows no pictures; `stops` are strings that end an
    answer to it; `spoken` is there where folders of this form differ in how they were spoken to; `beside` where the rest is, if
    the model was published in two folders."""

    spec: Any
    keys: tuple[Rule, ...]
    head: str = "lm_head.weight"
    body: str = "model."
    adapters: Adapters | None = None
    chat: str | None = None
    beside: Beside | None = None
    stops: tuple[str, ...] = ()
    spoken: Spoken | None = None


@dataclass(frozen=True)
class Layout:
    """The published form of a model or part: its `model_type` and the reader of its config."""

    model_type: str
    read: Callable[[Config], Reading]
    signs: tuple[str, ...] = ()
    """Fields that together no other layout has; they tell it where a config names no `model_type`, or another's."""
