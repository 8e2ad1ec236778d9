"""Fewer tiles or pixels for one picture than its family's own rule gives it; never more, and never fewer than its least."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from chiasm.geometry.cuts import tile_grid
from chiasm.geometry.own import budget_size, longest_raised, native_size
from chiasm.geometry.sizes import Size
from chiasm.geometry.tiles import LEAST_SIDE, best_pinpoint, covered, nearest_grid
from chiasm.spec import Budget, Candidates, CoverTiles, DynamicTiles, Longest, Native, Pinpoints, Resize, TileGrid, Views

Rule = TypeVar("Rule", TileGrid, Longest)


def narrows(spec: Views) -> bool:
    """Whether the rule can give a picture less than it does; else every picture is shown alike."""
    match spec:
        case TileGrid():
            return spec.split
        case Pinpoints() | DynamicTiles() | Candidates() | CoverTiles() | Native() | Budget() | Longest():
            return True
        case _:
            return False


def narrowed(spec: Views, size: Size) -> Views:
    """A rule that gives this picture at most `size.share` of the tiles or pixels that its own gives it, rounded down, but never
    less than that one's least. A larger share never gives less, and no picture is refused that the rule itself takes.
    """
    match spec:
        case Pinpoints(tile=tile) | Candidates(tile=tile):
            most = _most(size, math.prod(best_pinpoint(spec, size)) // tile**2)
            counts = [high * wide // tile**2 for high, wide in spec.grids]
            few = max(most, min(counts))
            return replace(spec, grids=tuple(grid for grid, count in zip(spec.grids, counts, strict=True) if count <= few))
        case DynamicTiles():
            return replace(spec, most=max(spec.least, _most(size, math.prod(nearest_grid(spec, size)))))
        case CoverTiles():
            own = math.prod(covered(spec, size).tiles)
            rules = (replace(spec, most=most) for most in range(_most(size, own), own))
            return next((rule for rule in rules if covered(rule, size).thinnest >= LEAST_SIDE), spec)
        case TileGrid(split=True):
            return _longest(spec, size, _tiles, range(spec.tile, spec.longest, spec.tile))
        case Longest():
            # One pixel more than the ratio of edges: the shorter edge keeps a pixel, however it is rounded.
            ratio = math.ceil(max(size.width, size.height) / min(size.width, size.height)) + 1
            least = -(-ratio // spec.factor) * spec.factor
            return _longest(spec, size, _pixels, range(least, max(longest_raised(spec, size)), spec.factor))
        case Native():
            return _native(spec, size)
        case Budget():
            return replace(spec, most=_most(size, math.prod(budget_size(spec, size)) // spec.patch**2))
        case _:
            return spec


def _most(size: Size, own: int) -> int:
    return max(1, int(size.share * own))


def _longest(spec: Rule, size: Size, cost: Callable[[Rule, Size], int], edges: range) -> Rule:
    """The rule with the longest of some edges at which the picture costs no more than its share; the least where each does."""
    most = _most(size, cost(spec, size))
    rule = spec
    for edge in reversed(edges):
        if cost(rule, size) <= most:
            break
        rule = replace(spec, longest=edge)
    return rule


def _tiles(spec: TileGrid, size: Size) -> int:
    """How many tiles a picture is cut into, the whole picture not counted where there are several."""
    return max(1, len(tile_grid(spec, size)) - 1)


def _pixels(spec: Longest, size: Size) -> int:
    return math.prod(longest_raised(spec, size))


def _native(spec: Native, size: Size) -> Resize:
    """Its own size in whole factors, both edges made smaller together; their product is bounded exactly, which the rule itself
    misses where a picture is thin."""
    high, wide = (edge // spec.factor for edge in native_size(spec, size))
    long, short, area = max(high, wide), min(high, wide), spec.factor**2
    shrunk = [(edge, max(1, (2 * short * edge + long) // (2 * long))) for edge in range(1, long + 1)]
    enough = [pair for pair in shrunk if math.prod(pair) * area >= spec.least] or [(long, short)]
    within = [pair for pair in enough if math.prod(pair) <= size.share * high * wide]
    longer, shorter = (within or enough[:1])[-1]
    high, wide = (longer, shorter) if high >= wide else (shorter, longer)
    return Resize(high * spec.factor, wide * spec.factor, "squash")
