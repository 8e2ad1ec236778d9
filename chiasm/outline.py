"""Regions of a picture by what points at them, or by words for them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from chiasm.assistant import Outline
from chiasm.errors import BadPrompt
from chiasm.generate.engine import Token, generate
from chiasm.generate.sampling import Sampling
from chiasm.geometry import Size, corner_size
from chiasm.heads.prompts import INSIDE, OUTSIDE, Prompts
from chiasm.heads.regions import boxes_around, enlarged
from chiasm.model import Causal, Segment, Sight
from chiasm.pixels.open import Picture
from chiasm.pixels.views import look, packed
from chiasm.place import Box, Point
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.plan import Plan
from chiasm.prompt.planner import Planner
from chiasm.spec import Corner, Pointing
from chiasm.spec import Segment as SegmentSpec


def pointed(model: Segment, picture: Picture, by: Sequence[str | Point | Box], device: torch.device) -> tuple[Outline, ...]:
    """The region that points and at most one box mean together, the likeliest outline first. A single point is ambiguous: it
    has several.

    Raises `BadPrompt` for words, which this model does not read, and for nothing that points.
    """
    size = Size(picture.width, picture.height)
    height, width = corner_size(_corner(model.spec), size)
    prompts = laid(by, (width / size.width, height / size.height), device)
    alone = prompts.boxes_BR4 is None and len(by) == 1
    outlined = model(model.see(_square(model.spec, picture, device)), prompts, "several" if alone else "one")
    logits_MHW = _upright(model.spec, outlined.masks_BRMHW[0], size)[0]
    scores_M = outlined.scores_BRM[0, 0]
    order = scores_M.argsort(descending=True).tolist()
    return outlines(logits_MHW[order], scores_M[order].tolist())


def spoken(model: Causal, planner: Planner, picture: Picture, words: str, sampling: Sampling) -> tuple[Outline, ...]:
    """The regions that an answer to `words` names, in the order of its text; none where it names none."""
    head, sight, device = model.spec.head, model.spec.sight, model.language.embed.weight.device
    assert isinstance(head, Pointing) and sight is not None
    size = Size(picture.width, picture.height)
    patches = torch.from_numpy(packed(look(sight, picture.pixels, 0)))
    plan = planner.plan([[Message("user", (Image(0), Text(words)))]], [size], names=[picture.name])
    answer = generate(model, plan.batch(patches).to(device), sampling)
    said = [event.id for event in answer if isinstance(event, Token)]
    whole = Plan.from_ids(planner.spec, [[*plan.rows[0].ids_T.tolist(), *said]], plan.items)
    batch = whole.batch(patches).to(device)
    named = model.pointer.named(model(batch), batch)
    maps = model.pointer.see(_square(head.outlines, picture, device))
    (outlined,) = model.pointer.outline(maps, named, [0] * len(named.row_R))
    logits_RHW = _upright(head.outlines, outlined.masks_BRMHW[0], size)[:, 0]
    return outlines(logits_RHW, outlined.scores_BRM[0, :, 0].tolist())


def _corner(spec: SegmentSpec) -> Corner:
    assert isinstance(spec.views, Corner)
    return spec.views


def _square(spec: SegmentSpec, picture: Picture, device: torch.device) -> Sight:
    """A picture as the model that outlines sees it."""
    seen = look(spec, picture.pixels, 0)
    patches = torch.from_numpy(packed(seen)).to(device)
    return Sight(patches, tuple(view.grid for view, _ in seen), ((picture.width, picture.height),))


def _upright(spec: SegmentSpec, masks_RMHW: torch.Tensor, size: Size) -> torch.Tensor:
    """Logits in the picture's own pixels."""
    views = _corner(spec)
    return enlarged(masks_RMHW, views.side, corner_size(views, size), size)


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
