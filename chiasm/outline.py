"""Regions of a picture by what points at them, or by words for them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from chiasm.assistant import Outline
from chiasm.errors import BadPrompt
from chiasm.geometry import Size, corner_size
from chiasm.heads.prompts import INSIDE, OUTSIDE, Prompts
from chiasm.heads.regions import boxes_around, enlarged
from chiasm.model import Segment, Sight
from chiasm.pixels.open import Picture
from chiasm.pixels.views import look, packed
from chiasm.place import Box, Point
from chiasm.spec import Corner


def pointed(model: Segment, picture: Picture, by: Sequence[str | Point | Box], device: torch.device) -> tuple[Outline, ...]:
    """The region that points and at most one box mean together, the likeliest outline first. A single point is ambiguous: it
    has several.

    Raises `BadPrompt` for words, which this model does not read, and for nothing that points.
    """
    views = model.spec.views
    assert isinstance(views, Corner)
    size = Size(picture.width, picture.height)
    seen = look(model.spec, picture.pixels, 0)
    sight = Sight(torch.from_numpy(packed(seen)), tuple(view.grid for view, _ in seen), ((size.width, size.height),))
    height, width = corner_size(views, size)
    prompts = laid(by, (width / size.width, height / size.height), device)
    alone = prompts.boxes_BR4 is None and len(by) == 1
    outlined = model(model.see(_on(sight, device)), prompts, "several" if alone else "one")
    logits_MHW = enlarged(outlined.masks_BRMHW[0], views.side, (height, width), size)[0]
    scores_M = outlined.scores_BRM[0, 0]
    order = scores_M.argsort(descending=True).tolist()
    return outlines(logits_MHW[order], scores_M[order].tolist())


def outlines(logits_MHW: torch.Tensor, scores: Sequence[float | None]) -> tuple[Outline, ...]:
    """Where logits are above zero."""
    masks_MHW = logits_MHW > 0
    found = zip(masks_MHW, boxes_around(masks_MHW).tolist(), scores, strict=True)
    # A box reaches to the far edge of its last pixel; one around nothing has no edge.
    return tuple(
        Outline(mask.cpu().numpy(), Box(x0, y0, x1 + int(bool(mask.any())), y1 + int(bool(mask.any()))), score)
        for mask, (x0, y0, x1, y1), score in found
    )


def laid(by: Sequence[str | Point | Box], scale: tuple[float, float], device: torch.device) -> Prompts:
    """Points and a box of one region in the pixels of the model's square. Raises `BadPrompt`."""
    points, boxes = [one for one in by if isinstance(one, Point)], [one for one in by if isinstance(one, Box)]
    if not by or len(points) + len(boxes) < len(by) or len(boxes) > 1:
        raise BadPrompt(
            f"{len(by)} hints ({len(points)} points, {len(boxes)} boxes): this model outlines by points and one box"
        )
    right, down = scale
    places = torch.tensor([[[[point.x * right, point.y * down] for point in points]]], device=device)
    labels = torch.tensor([[[INSIDE if point.where == "inside" else OUTSIDE for point in points]]], device=device)
    corners = [[[box.x0 * right, box.y0 * down, box.x1 * right, box.y1 * down]] for box in boxes]
    return Prompts(
        places if points else None,
        labels if points else None,
        torch.tensor(corners, device=device) if boxes else None,
    )


def _on(sight: Sight, device: torch.device) -> Sight:
    return Sight(sight.patches_PK.to(device), sight.grids, sight.sizes)
