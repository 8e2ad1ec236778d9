"""How a model sees clips: which frames of them, and what each becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chiasm.spec.views import Native, Pixels, Resize


@dataclass(frozen=True)
class Even:
    """So many frames, equally far apart; all of a clip of fewer.

    `at`: each at the start of an equal part of the clip (transformers' video processors); in the middle of one, by rounded
    edges (Video-ChatGPT); half a part later than its start, the parts one frame short together, frames of a short clip more
    than once (VideoChat2, PLLaVA). None: a number alone, where the model takes its own, else at the starts."""

    frames: int = 8
    at: Literal["starts", "middles", "halves"] | None = None


@dataclass(frozen=True)
class PerSecond:
    """So many frames a second, equally far apart: at least `least` and at most `most`, in number a multiple of `group`, and
    never more than the clip has (Qwen2-VL, arXiv:2409.12191)."""

    frames: float
    least: int = 1
    most: int | None = None
    group: int = 1


Take = Even | PerSecond
"""Which frames of a clip are shown."""


@dataclass(frozen=True)
class Frames:
    """How a clip is seen: which frames are shown where nobody says otherwise, what each becomes, and how many a model looks at
    (none: as many as its context has room for). `shared`: pixels that all of a clip's frames have together at most, where
    that leaves each more than it needs."""

    take: Take
    views: Resize | Native
    pixels: Pixels
    most: int | None = None
    shared: int | None = None
