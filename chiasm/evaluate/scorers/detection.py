"""COCO's mean average precision of boxes and masks, by faster-coco-eval."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from chiasm.errors import need

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


def coco_map(
    truth: Mapping[str, Sequence[Mapping[str, Any]]],
    detections: Sequence[Mapping[str, Any]],
    kind: Literal["bbox", "segm"] = "bbox",
) -> dict[str, float]:
    """The twelve numbers of COCO's summary, -1 where there is no ground truth of that size.

    `truth` has images, categories and annotations as in COCO's files; detections are its result rows (xywh boxes in pixels,
    or run-length masks). Raises `UserError` without faster-coco-eval.
    """
    library = need("faster_coco_eval", "eval")
    if not detections:
        return _without(truth)
    with contextlib.redirect_stdout(io.StringIO()):
        gold = library.COCO({key: [dict(row) for row in rows] for key, rows in truth.items()})
        found = gold.loadRes([dict(row) for row in detections])
        evaluation = library.COCOeval_faster(gold, found, iouType=kind)
        evaluation.run()
    return dict(zip(NAMES, map(float, evaluation.stats), strict=False))


_SMALL, _MEDIUM = 32**2, 96**2


def _without(truth: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, float]:
    """Nothing detected: 0 wherever there was something."""
    areas = [row["area"] for row in truth["annotations"] if not row.get("iscrowd")]
    present = {
        "s": any(area <= _SMALL for area in areas),
        "m": any(_SMALL <= area <= _MEDIUM for area in areas),
        "l": any(area >= _MEDIUM for area in areas),
    }
    return {name: 0.0 if present.get(name[-1], bool(areas)) else -1.0 for name in NAMES}
