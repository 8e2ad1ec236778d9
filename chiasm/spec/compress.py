"""Connector steps that leave fewer tokens than they read, by what the tokens say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MergeAlike:
    """One token is left for every `ratio` of a view, rounded up: those most alike become their mean, in which each counts as
    often as it holds tokens already (bipartite merging, arXiv:2210.09461, over a connector's tokens).

    "told": as many are left as the share that a policy which looked at the picture gives it, rounded up.
    """

    ratio: int | Literal["told"] = 4


@dataclass(frozen=True)
class Prune:
    """One token is left for every `ratio` of a view, rounded up: the "salient" ones, which the view's mean attends to most, or
    the "unlike" ones, whose direction is furthest from the mean's."""

    ratio: int = 2
    keeps: Literal["salient", "unlike"] = "salient"


@dataclass(frozen=True)
class MergeFrames:
    """A clip's frames, `frames` by `frames`, as their mean, cell by cell; the last may be of fewer. Pictures pass."""

    frames: int = 4
