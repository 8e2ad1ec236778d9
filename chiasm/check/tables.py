"""Tables of references: cases of sizes, boxes and texts, each with what the code that defines it made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chiasm import registry
from chiasm.check.labels import labelled, labels
from chiasm.check.written import ANSWERS
from chiasm.errors import BadCheckpoint, BadPicture
from chiasm.geometry import Scale, Size, View, best_pinpoint, covering, native_size, nearest_grid, tilings, views
from chiasm.place import tiling, unpadded
from chiasm.prompt.items import count, lay
from chiasm.spec import (
    Candidates,
    Causal,
    CoverTiles,
    DynamicTiles,
    Longest,
    Native,
    Pinpoints,
    Sight,
    Slices,
    TileGrid,
    Views,
    ViT,
)
from chiasm.weights.json_files import read_objects

Case = Mapping[str, Any]
CASES, LABELS = "cases.json", "llava_labels"
"""What makes a folder a table; and the one whose vocabulary stands beside its cases."""
Made = dict[str, Any]
"""What we make of a case, field by field; a field that depends on a setting is an object of its own."""

GIVEN = frozenset((
    "w", "h", "text", "ul", "lr", "n", "point", "grid", "box_yxyx", "from_list_format", "list_error",
    "template", "kind", "legacy", "conversation", "turns", "has_image", "model_max_length", "warning",
))  # fmt: skip
"""Fields that cases give. Some tables make of one what others give: a text of its pieces, a grid of a size."""

FROM = {"box": "index"}
"""Fields that are made in some cases, and given in those that ask for another one."""


@dataclass(frozen=True)
class Compared:
    """How many of a table's cases differ, by field; and the fields that nothing here makes, with of how many cases where of
    some they are."""

    differ: dict[str, float]
    cases: int
    left: tuple[str, ...]


def compared(name: str, folder: Path) -> Compared:
    """A table's cases against what we make of them. Raises `BadCheckpoint` for a table that is not known."""
    if name not in TABLES and name != LABELS:
        raise BadCheckpoint(f"{name!r} is no table that can be proved; {', '.join(sorted((*TABLES, LABELS)))} are")
    cases = labelled(folder) if name == LABELS else read_objects(folder / CASES)
    make = labels(folder) if name == LABELS else TABLES[name]
    differ: dict[str, int] = {}
    left: dict[str, int] = {}
    for number, case in enumerate(cases):
        try:
            made, wanted = _flat(make(case)), _flat(case)
        except (LookupError, TypeError, ValueError) as e:
            raise BadCheckpoint(f"{name}: case {number} is not of this table's form ({e!r})") from e
        for field in made.keys() & wanted.keys():
            differ[field] = differ.get(field, 0) + (_plain(made[field]) != _plain(wanted[field]))
        for field in wanted.keys() - made.keys() - GIVEN:
            if FROM.get(field) not in wanted:
                left[field] = left.get(field, 0) + 1
    shares = {field: number / len(cases) for field, number in sorted(differ.items())}
    told = (f"{field} of {number} cases" if field in differ else field for field, number in sorted(left.items()))
    return Compared(shares, len(cases), tuple(told))


def _flat(case: Case, before: str = "") -> Made:
    """Fields of settings by their path. An error is told from another by being one."""
    found: Made = {}
    for name, value in case.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[before + name] = True if name == "error" else value
    return found


def _plain(value: Any) -> Any:
    """As JSON has it; a number that was written as a text is one."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return int(value) if isinstance(value, str) and value.isdecimal() else value


# --- sizes ------------------------------------------------------------------------------------------------------------


def _model(family: str, shows: Views | None = None, patch: int | None = None) -> tuple[Causal, Sight]:
    """A family's model, with other views or patches."""
    model = registry.family(family).model
    assert isinstance(model, Causal) and model.sight is not None
    sight = model.sight if shows is None else replace(model.sight, views=shows)
    if patch is not None:
        assert isinstance(sight.encoder, ViT)
        sight = replace(sight, encoder=replace(sight.encoder, patch=patch))
    return replace(model, sight=sight), sight


def _size(case: Case) -> Size:
    return Size(case["w"], case["h"])


def _made(sight: Sight, size: Size) -> tuple[View, ...]:
    return views(sight.views, sight.pixels, sight.encoder, size, 0)


def _scaled(view: View, stroke: int = 0) -> tuple[int, int]:
    """Height and width after the view's first resize, or a later one."""
    scale = view.strokes[stroke]
    assert isinstance(scale, Scale)
    return scale.height, scale.width


def _next(case: Case) -> Made:
    """The original code reads its grids as (width, height)."""
    grids = tuple((high, wide) for wide, high in ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)))
    points, size = Pinpoints(336, grids), _size(case)
    model, sight = _model("llava-next", points)
    high, wide = best_pinpoint(points, size)
    top, bottom, left, right = unpadded(high // 14, wide // 14, size.width, size.height)
    counted = {"tiles": len(lay(model, [size])[0]), "tokens": count(model, size).visual}
    resized = _scaled(_made(sight, size)[1])[::-1]
    return {"best": [wide, high], "resized": resized, "unpadded": [bottom - top, right - left], **counted}


def _onevision(case: Case) -> Made:
    model, sight = _model("llava-onevision")
    assert isinstance(sight.views, Pinpoints)
    size = _size(case)
    rows, columns = (side // 384 for side in best_pinpoint(sight.views, size))
    grids, laid, (tokens,) = lay(model, [size])
    top, bottom, left, right = unpadded(27 * rows, 27 * columns, size.width, size.height)
    kept = [laid.grids[-1].h, laid.grids[-1].w]
    return {
        "grid": [rows, columns], "tiles": len(grids), "unpadded": [bottom - top, right - left], "kept": kept, "tokens": tokens,
    }  # fmt: skip


def _unpad(case: Case) -> Made:
    rows, columns = case["grid"]
    top, bottom, left, right = unpadded(rows, columns, case["w"], case["h"])
    first = top * columns + left if bottom > top and right > left else None
    return {"out": [bottom - top, right - left], "first": first}


def _candidates(case: Case) -> Made:
    model, sight = _model("deepseek-vl2")
    assert isinstance(sight.views, Candidates)
    size = _size(case)
    high, wide = best_pinpoint(sight.views, size)
    counted = {"n_views": len(lay(model, [size])[0]), "tokens": count(model, size).visual}
    return {"best": [wide, high], "tiles": [wide // 384, high // 384], **counted}


def _tile_grid(case: Case) -> Made:
    found: Made = {}
    for longest, tile in ((1456, 364), (364, 364), (1536, 384), (2048, 512)):
        model, sight = _model("idefics3", TileGrid(longest, tile))
        seen, size = _made(sight, _size(case)), _size(case)
        tiles = tiling([view.grid for view in seen[:-1]]) if len(seen) > 1 else (0, 0)
        made: Made = {"first": _scaled(seen[0]), "second": _scaled(seen[0], 1), "rows": tiles[0], "cols": tiles[1]}
        counted = {"tokens": count(model, size).visual} if tile == 364 else {}
        found[f"{longest}_{tile}"] = {**made, "images": len(seen), **counted}
    return found


def _dynamic(case: Case) -> Made:
    size, found = _size(case), dict[str, Any]()
    for most in (6, 12, 24):
        tiles = DynamicTiles(448, most)
        model, _ = _model("internvl-2.5", tiles)
        counted = {"views": len(lay(model, [size])[0]), "tokens": count(model, size).visual}
        found[f"max{most}"] = {"grid": nearest_grid(tiles, size), **counted}
    columns, rows = nearest_grid(DynamicTiles(448, 12, least=4), size)
    return {**found, "min4_max12_nothumb": {"views": columns * rows}}


def _slices(case: Case) -> Made:
    size, found = _size(case), dict[str, Any]()
    for most in (9, 4):
        model, sight = _model("minicpm-v-2.6", Slices(448, most))
        whole, *cut = _made(sight, size)
        sizes = [[whole.grid.h, whole.grid.w], *([[cut[0].grid.h, cut[0].grid.w]] if cut else [])]
        rows, columns = tiling([view.grid for view in cut]) if cut else (0, 0)
        found[f"max{most}"] = {
            "grid": [columns, rows] if cut else None, "source": _scaled(whole)[::-1],
            "refine": _scaled(cut[0])[::-1] if cut else None, "n_slices": 1 + len(cut), "tokens": count(model, size).visual,
            "tgt_sizes": sizes,
        }  # fmt: skip
    return found


def _canvas(case: Case) -> Made:
    """The number of a tiling is the one that the model is given (`hf_id`)."""
    _, sight = _model("llama-3.2-vision")
    seen = _made(sight, _size(case))
    rows, columns = tiling([view.grid for view in seen])
    number = {shape: at for at, shape in enumerate(tilings(4), 1)}[rows, columns]
    canvas = [560 * rows, 560 * columns]
    return {"canvas": canvas, "resized": _scaled(seen[0]), "tiles": [rows, columns], "hf_id": number}


def _covering(case: Case) -> Made:
    size, found = _size(case), dict[str, Any]()
    for most in (36, 12):
        tiles = CoverTiles(448, most)
        model, sight = _model("phi-4-multimodal", tiles)
        canvas = covering(tiles, size)[1]
        _, *seen = _made(sight, size)
        left = [view.grid.shown[0] for view in seen if view.grid.box.x0 == 0]
        top = [view.grid.shown[1] for view in seen if view.grid.box.y0 == 0]
        laid = lay(model, [size])[1]
        found[f"hd{most}"] = {
            "tiles": [len(top), len(left)], "size": [canvas.width, canvas.height], "mask_rows": sum(left),
            "mask_cols": sum(top), "useful": [laid.grids[0].h, laid.grids[0].w], "tokens": len(laid),
        }  # fmt: skip
    return found


def _longest(case: Case) -> Made:
    size, found = _size(case), dict[str, Any]()
    for longest, patch in ((1024, 16), (1540, 14)):
        model, sight = _model("pixtral", Longest(longest, patch), patch)
        (view,) = _made(sight, size)
        counted = count(model, size)
        found[f"{longest}_{patch}"] = {
            "h": _scaled(view)[0], "w": _scaled(view)[1], "rows": view.grid.h, "cols": view.grid.w,
            "img_tokens": counted.visual, "tokens_with_breaks": counted.visual + counted.marks,
        }  # fmt: skip
    return found


NATIVE = {
    "hf_qwen2vl": Native(28, 56 * 56, 28 * 28 * 1280),
    "qwen_vl_utils": Native(28, 4 * 28 * 28, 16384 * 28 * 28),
    "small": Native(28, 256 * 28 * 28, 1280 * 28 * 28),
    "qwen3vl_factor32": Native(32, 4 * 32 * 32, 16384 * 32 * 32),
}
"""The settings of smart_resize that its table has."""


def _native(case: Case) -> Made:
    return {name: _smart(shows, _size(case)) for name, shows in NATIVE.items()}


def _smart(shows: Native, size: Size) -> Made:
    try:
        high, wide = native_size(shows, size)
    except BadPicture as e:
        return {"error": str(e)}
    patch = shows.factor // 2
    grid = [1, high // patch, wide // patch]
    return {"h": high, "w": wide, "grid_thw": grid, "tokens": grid[1] * grid[2] // 4}


TABLES: dict[str, Callable[[Case], Made]] = {
    "table-deepseek_vl2": _candidates,
    "table-idefics3": _tile_grid,
    "table-internvl": _dynamic,
    "table-llava_next": _next,
    "table-llava_onevision": _onevision,
    "table-llava_unpad": _unpad,
    "table-minicpmv26_slices": _slices,
    "table-mllama_canvas": _canvas,
    "table-phi4_multimodal": _covering,
    "table-pixtral": _longest,
    "table-qwen2vl_smart_resize": _native,
    **ANSWERS,
}
"""By the name that meta.json gives."""
