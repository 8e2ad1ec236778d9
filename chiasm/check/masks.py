"""Outputs of models that outline, under the references' names."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from chiasm.errors import BadCheckpoint
from chiasm.heads.prompts import Prompts
from chiasm.model import Segment
from chiasm.model import Sight as Seen
from chiasm.reference.given import Given
from chiasm.reference.shown import shown_of


def segment(model: Segment, given: Given, meta: dict[str, Any]) -> dict[str, Tensor]:
    """What is pointed at stands in the square that the model sees; several masks of each, unless the reference was asked for
    one."""
    shown = shown_of(given, model.spec)
    if shown is None:
        raise BadCheckpoint(f"{given.path} has no pictures, which this proof begins with")
    points, labels, boxes, mask = (given.tensors.get(f"input_{name}") for name in ("points", "labels", "boxes", "masks"))
    maps = model.see(Seen(shown.patches_PK, shown.grids, shown.sizes))
    several = meta.get("fwd_kw", {}).get("multimask_output", True)
    outlined = model(maps, Prompts(points, labels, boxes, mask), "several" if several else "one")
    return {"pred_masks": outlined.masks_BRMHW, "iou_scores": outlined.scores_BRM}
