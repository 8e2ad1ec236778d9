"""A model that spends fewer tokens on a picture by looking at less of it: its own views, held below a named limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chiasm.errors import UserError
from chiasm.spec import (
    Bounded,
    Budget,
    Candidates,
    Causal,
    CoverTiles,
    DynamicTiles,
    Longest,
    Native,
    Pinpoints,
    Slices,
    TileGrid,
    Views,
)

SIDES = (56, 112, 224, 448, 672, 896, 1344)
"""Of squares whose pixels, patches or edges are worth trying."""
TILES = (1, 2, 4, 6, 9, 12, 16, 24)

UNITS = ("tiles", "pixels", "patches", "longest")

Grids = tuple[tuple[int, int], ...]


def limited(model: Causal, named: str) -> Causal:
    """A model whose views hold `tiles:N` tiles at most beside the whole picture, or `pixels:N`, `patches:N`, or a longest edge
    of `longest:N` pixels, whichever its kind of views has. No weight changes. Raises `UserError` for another word, for views
    of one size, and for a limit that no view could keep."""
    kind, _, number = named.partition(":")
    known = unit(model)
    if known is None:
        raise UserError(f"budget={named!r}: this model shows every picture in one size; compress= leaves it fewer tokens")
    if kind != known or not number.isdecimal() or int(number) < 1:
        raise UserError(f"budget={named!r}: this model is held by {known}:N, such as {known}:{_tried(model)[0]}")
    assert model.sight is not None
    return replace(model, sight=replace(model.sight, views=_held(model.sight.views, int(number), named)))


def is_limit(named: str) -> bool:
    """Whether a budget by this name is a limit, not a policy that looks at the picture."""
    return named.partition(":")[0] in UNITS


def limits(model: Causal) -> tuple[str, ...]:
    """Limits worth trying, the tightest first; none for a model with views of one size."""
    known = unit(model)
    return () if known is None else tuple(f"{known}:{number}" for number in _tried(model))


def unit(model: Causal) -> str | None:
    """What a model's views are limited by."""
    match model.sight.views if model.sight else None:
        case DynamicTiles() | CoverTiles() | Slices() | Pinpoints() | Candidates():
            return "tiles"
        case Native():
            return "pixels"
        case Budget():
            return "patches"
        case TileGrid() | Longest() | Bounded():
            return "longest"
        case _:
            return None


def _tried(model: Causal) -> list[int]:
    match model.sight.views if model.sight else None:
        case DynamicTiles(most=most) | CoverTiles(most=most) | Slices(most=most):
            return _below(TILES, most)
        case Pinpoints(tile=tile, grids=grids) | Candidates(tile=tile, grids=grids):
            counts = [_tiles(grid, tile) for grid in grids]
            return _below([number for number in TILES if number >= min(counts)], max(counts))
        case Native(factor=factor, most=most):
            return _below([side * side for side in SIDES if side >= factor], most)
        case Budget(patch=patch, most=most):
            return _below([(side // patch) ** 2 for side in SIDES if side >= patch], most)
        case TileGrid(tile=tile, longest=longest):
            return _below([tile * number for number in range(1, 5)], longest)
        case Longest(longest=longest) | Bounded(longest=longest):
            return _below(SIDES, longest)
        case _:
            return []


def _below(numbers: Sequence[int], most: int) -> list[int]:
    return [number for number in numbers if number < most] or [most]


def _held(views: Views, most: int, named: str) -> Views:
    match views:
        case DynamicTiles():
            return replace(views, most=most, least=min(views.least, most))
        case CoverTiles() | Slices():
            return replace(views, most=most)
        case Pinpoints():
            return replace(views, grids=_few(views.grids, views.tile, most, named))
        case Candidates():
            return replace(views, grids=_few(views.grids, views.tile, most, named))
        case Native():
            return replace(views, least=min(views.least, most), most=max(most, views.factor**2))
        case Budget():
            return replace(views, most=most)
        case TileGrid():
            return replace(views, longest=max(most, views.tile))
        case Longest():
            return replace(views, longest=max(most, views.factor))
        case Bounded():
            return replace(views, longest=most, shortest=min(views.shortest, most))
        case _:
            return views


def _few(grids: Grids, tile: int, most: int, named: str) -> Grids:
    kept = tuple(grid for grid in grids if _tiles(grid, tile) <= most)
    if not kept:
        least = min(_tiles(grid, tile) for grid in grids)
        raise UserError(f"budget={named!r}: this model cuts every picture into {least} tiles or more")
    return kept


def _tiles(grid: tuple[int, int], tile: int) -> int:
    return grid[0] // tile * (grid[1] // tile)
