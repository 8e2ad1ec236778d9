"""Tables of boxes: how models write them, and how masks' models move points and cut pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chiasm.errors import BadPrompt
from chiasm.geometry import Size, corner_size
from chiasm.ground import cells, corners, locations
from chiasm.heads.regions import pyramid
from chiasm.place import Box
from chiasm.spec import Corner

Case = Mapping[str, Any]


def _sides(box: Box) -> list[float]:
    return [box.x0, box.y0, box.x1, box.y1]


def _cells(case: Case) -> dict[str, Any]:
    """A pair of cells as a box, or a box as a pair of cells."""
    if "index" in case:
        x0, y0, x1, y1 = case["box"]
        return {"index": list(cells.cells(Box(x0, y0, x1, y1, "fraction"), case["n"]))}
    return {"box": _sides(cells.box(case["ul"], case["lr"], case["n"]))}


def _grounded(case: Case) -> dict[str, Any]:
    said = cells.read(case["text"])
    entities = [[one.phrase, [one.start, one.end], [_sides(box) for box in one.boxes]] for one in said.grounded]
    return {"cleaned": said.text, "entities": entities}


def _locations(case: Case) -> dict[str, Any]:
    y0, x0, y1, x1 = case["box_yxyx"]
    return {"locs": list(locations.locations(Box(x0, y0, x1, y1, "fraction")))}


KINDS = {"img": "image"}
"""What the table calls a piece of text."""


def _corners(case: Case) -> dict[str, Any]:
    if "from_list_format" in case:
        return _listed(case["from_list_format"])
    found: dict[str, Any] = {}
    if "list_format" in case:
        found["list_format"] = [{KINDS.get(one.kind, one.kind): one.inside} for one in corners.pieces(case["text"])]
    try:
        read = corners.read(case["text"])
    except BadPrompt as e:
        return {**found, "error": str(e)}
    boxes = [{"box": list(one.corners)} | ({"ref": one.phrase} if one.phrase else {}) for one in read]
    return {**found, "boxes": boxes, "pixels_640x480": [list(one.pixels(640, 480)) for one in read]}


def _listed(items: list[dict[str, Any]]) -> dict[str, Any]:
    """A text from its pieces; pictures are counted as they come."""
    text, seen = "", 0
    for item in items:
        match item:
            case {"image": str(path)}:
                seen += 1
                text += f"Picture {seen}: <img>{path}</img>\n"
            case {"text": str(said)}:
                text += said
            case {"box": boxes}:
                text += corners.write(item.get("ref", ""), [tuple(box) for box in boxes])
    return {"text": text}


def _moved(case: Case) -> dict[str, Any]:
    """Cuts of the crop pyramid; or a size, and a point with it."""
    if "crops" in case:
        made = [(one, pyramid(Size(one["w"], one["h"]), one["n_layers"], one["overlap"])) for one in case["crops"]]
        cut = [
            {**one, "boxes": [[c.x0, c.y0, c.x1, c.y1] for c in cuts], "layers": [c.layer for c in cuts]} for one, cuts in made
        ]
        return {"crops": cut}
    high, wide = corner_size(Corner(1024), Size(case["w"], case["h"]))
    return {"new": [high, wide], "mapped": [[x * (wide / case["w"]), y * (high / case["h"])] for x, y in case["point"]]}


ANSWERS: dict[str, Callable[[Case], dict[str, Any]]] = {
    "table-kosmos2_index": _cells,
    "table-kosmos2_parse": _grounded,
    "table-paligemma_loc": _locations,
    "table-qwenvl_boxes": _corners,
    "table-sam_transforms": _moved,
}
"""By the name that meta.json gives."""
