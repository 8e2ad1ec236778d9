"""RefCOCO: a box read out of an answer, and how well it covers the gold one."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

Four = tuple[float, float, float, float]
"""Left, top, right, bottom; in which units, the reader of a box says."""

EMPTY: Four = (0, 0, 0, 0)
THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9)


def iou(gold: Sequence[float], box: Sequence[float]) -> float:
    """lmms-eval's: intersection over union without a pixel added, `ZeroDivisionError` for two empty boxes; a box turned
    inside out has a negative area and may have any value."""
    shared = _overlap(gold, box)
    return shared / (_area(gold) + _area(box) - shared)


def iou_guarded(gold: Sequence[float], box: Sequence[float]) -> float:
    """VLMEvalKit's: 0 where nothing is shared, and no negative areas."""
    shared = _overlap(gold, box)
    union = _area_kept(gold) + _area_kept(box) - shared
    return shared / union if shared and union > 0 else 0.0


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    width, height = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    return max(0, width) * max(0, height)


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _area_kept(box: Sequence[float]) -> float:
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])


def centred(gold: Sequence[float], box: Sequence[float]) -> bool:
    """Whether the box's middle lies in the gold box, its edges too."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return gold[0] <= x <= gold[2] and gold[1] <= y <= gold[3]


def summary(golds: Sequence[Sequence[float]], boxes: Sequence[Sequence[float]]) -> dict[str, float]:
    """Mean IoU, the shares at or above each threshold, and of boxes whose middle is right."""
    covers = [iou(gold, box) for gold, box in zip(golds, boxes, strict=True)]
    accuracies = {f"ACC@{least}": sum(cover >= least for cover in covers) / len(covers) for least in THRESHOLDS}
    middles = sum(centred(gold, box) for gold, box in zip(golds, boxes, strict=True))
    return {"IoU": sum(covers) / len(covers), **accuracies, "Center_ACC": middles / len(boxes)}


_PLAIN = r"(-?\d+(?:\.\d+)?)"
_REC = re.compile(r"\[\s*" + r",\s*".join([_PLAIN] * 4) + r"\s*\]")


def parse_rec(answer: str) -> Four | None:
    """lmms-eval's, of a share of the picture: the first "[a, b, c, d]" of plain decimals without space before a comma."""
    found = _REC.search(answer)
    return _four(found.groups()) if found else None


_SIGNED = r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?"
_KIT = re.compile(r"\[\s*" + r"(?:\s*,\s*|\s+)".join([f"({_SIGNED})"] * 4) + r"\s*\]")


def parse_kit(answer: str) -> Four | None:
    """VLMEvalKit's: the first four numbers in brackets, else the first four anywhere."""
    found = _KIT.search(answer)
    if found:
        return _four(found.groups())
    loose = re.findall(_SIGNED, answer)
    return _four(loose[:4]) if len(loose) >= 4 else None


def pixels_kit(box: Four, width: float, height: float) -> Four:
    """VLMEvalKit's guess of a box's unit (a share up to 1.5, a thousandth up to 1000, else pixels), inside the picture and
    the right way round. Pixels below 1000 are misread."""
    largest, sizes = max(abs(edge) for edge in box), (width, height, width, height)
    edges: Sequence[float] = box
    if largest <= 1000:
        unit = 1.0 if largest <= 1.5 else 1000.0
        edges = [edge / unit * size for edge, size in zip(box, sizes, strict=True)]
    left, top, right, bottom = (min(max(edge, 0.0), size) for edge, size in zip(edges, sizes, strict=True))
    return (min(left, right), min(top, bottom), max(left, right), max(top, bottom))


_CORNERS = re.compile(r"\((.*?)\),\((.*?)\)")


def iou_qwen(answer: str, gold: Sequence[float], width: int, height: int) -> float:
    """Qwen-VL's script: the first "(x1,y1),(x2,y2)" in 999ths of the picture against gold pixels, in float32; nothing read is
    an empty box."""
    box = np.array(parse_qwen(answer) or EMPTY, np.float32) / np.float32(999)
    box[0::2] *= np.float32(width)
    box[1::2] *= np.float32(height)
    true = np.array(gold, np.float32)
    sides = np.maximum(np.minimum(box[2:], true[2:]) - np.maximum(box[:2], true[:2]), np.float32(0))
    shared = sides[0] * sides[1]
    areas = [(one[2] - one[0]) * (one[3] - one[1]) for one in (box, true)]
    return float(shared / (areas[0] + areas[1] - shared))


def parse_qwen(answer: str) -> Four | None:
    """The two corners as they are written, in 999ths."""
    found = _CORNERS.search(answer)
    if not found:
        return None
    try:
        (left, top), (right, bottom) = (map(float, corner.split(",")) for corner in found.groups())
    except ValueError:
        return None
    return (left, top, right, bottom)


_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL | re.IGNORECASE)
_NAMES = ("bbox_2d", "bbox", "box", "coordinates", "coord", "location", "position")
_LOOSE = re.compile(r"\[?\s*" + r"\s*[,\s]\s*".join([_PLAIN] * 4) + r"\s*\]?")


def parse_grounding(answer: str) -> list[Four]:
    """lmms-eval's grounding reader: every box of a JSON reply, fenced or not, under any usual name; else any four numbers."""
    return _boxes_in(_json(answer)) or [_four(found.groups()) for found in _LOOSE.finditer(answer)]


def _json(answer: str) -> Any:
    text = answer.strip()
    fenced = _FENCED.search(text)
    pieces = [*([fenced[1]] if fenced else []), text]
    pieces += [text[text.find(o) : text.rfind(c) + 1] for o, c in ("[]", "{}") if -1 < text.find(o) < text.rfind(c)]
    for piece in pieces:
        try:
            return json.loads(piece)
        except (ValueError, RecursionError):
            continue
    return None


def _boxes_in(data: Any) -> list[Four]:
    match data:
        case [int() | float(), int() | float(), int() | float(), int() | float()]:
            return [_four(data)]
        case list():
            return [box for one in data for box in _boxes_in(one)]
        case dict():
            for name in _NAMES:
                try:
                    if isinstance(data.get(name), list) and len(data[name]) == 4:
                        return [_four(data[name])]
                except (TypeError, ValueError):
                    continue
            return [box for one in data.values() for box in _boxes_in(one)]
    return []


def _four(edges: Sequence[Any]) -> Four:
    left, top, right, bottom = (float(edge) for edge in edges)
    return (left, top, right, bottom)
