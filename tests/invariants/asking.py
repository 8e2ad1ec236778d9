"""What every family is asked: pictures of different shapes, rows of different lengths, and what comes out."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chiasm.generate.engine import begun_by
from chiasm.geometry import Size
from chiasm.heads.prompts import Prompts
from chiasm.model import (
    AnyModel,
    Batch,
    Causal,
    EncodePage,
    Find,
    Segment,
    Sight,
    Words,
)
from chiasm.model import Writer as Writes
from chiasm.prompt.items import count, in_text
from chiasm.prompt.plan import Plan
from chiasm.spec import (
    AddByBox,
    Alone,
    Looks,
    Pointing,
    QFormer,
)
from chiasm.spec import Seq2Seq as Seq2SeqSpec
from chiasm.spec import Sight as SightSpec
from chiasm.spec import Writer as WriterSpec

SIZES = ((40, 24), (17, 61), (90, 85))
"""(width, height) of three pictures that have different shapes everywhere."""

CLOSE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5}


def pictures() -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.integers(0, 256, (height, width, 3), np.uint8) for width, height in SIZES]


def seen(looks: Looks, some: list[np.ndarray], device: torch.device | str = "cpu") -> Sight:
    return Sight.of(looks, some, device)


def device_of(model: AnyModel) -> torch.device:
    return next(model.parameters()).device


@dataclass(frozen=True)
class Asked:
    """Three rows of unequal length: text alone, two pictures, one picture; each ends in text. Of a model with sources and
    targets the rows are sources; where pictures stand alone, each is a row. `hints` are what a connector reads."""

    rows: list[list[int]]
    shows: list[list[int]]
    targets: list[list[int]]
    hints: list[list[int]]
    boxes: list[list[tuple[float, float, float, float]]] = field(default_factory=list)

    def only(self, number: int) -> "Asked":
        """One of the rows."""
        one = slice(number, number + 1)
        return Asked(self.rows[one], self.shows[one], self.targets[one], self.hints[one], self.boxes[one])

    @property
    def written(self) -> list[list[int]]:
        """The streams that a model goes on with."""
        return self.targets or self.rows

    def without(self, last: int) -> "Asked":
        """The same, before so many last tokens were written."""
        cut = [row[:-last] for row in self.written]
        return replace(self, targets=cut) if self.targets else replace(self, rows=cut)

    @property
    def shown(self) -> list[int]:
        return [number for some in self.shows for number in some]


def asked(spec: WriterSpec) -> Asked:
    draw = np.random.default_rng(1)
    text = [draw.integers(5, 100, n).tolist() for n in (9, 4, 5, 3, 6)]
    targets = [[0, *text[0]], [0, *text[1]], [0, *text[4]]] if isinstance(spec, Seq2SeqSpec) else []
    if spec.sight is None:
        return Asked([text[0], text[1], text[4]], [[], [], []], targets, [])
    hints = [text[1], text[4], text[2]] if _reads(spec.sight) else []
    if isinstance(spec.sight.fusion, Alone):
        return Asked([[], [], []], [[0], [1], [2]], targets, hints)
    if isinstance(spec.sight.fusion, AddByBox):
        rows = [text[0], text[1], text[4]]
        corners = [[sorted(draw.uniform(0, 1, 2)) + sorted(draw.uniform(0, 1, 2)) for _ in row] for row in rows]
        boxes = [[(x0, y0, x1, y1) for x0, x1, y0, y1 in row] for row in corners]
        return Asked(rows, [[0], [1], [2]], targets, hints, boxes)
    fusion = spec.sight.fusion
    one, two, three = ([fusion.image] * in_text(fusion, count(spec, Size(*size)).visual) for size in SIZES)
    rows = [text[0], [1, *one, *text[1], *two, *text[2]], [*text[3], *three, *text[4]]]
    return Asked(rows, [[], [0, 1], [2]], targets, hints)


def _reads(sight: SightSpec) -> bool:
    return any(isinstance(step, QFormer) and step.words is not None for step in sight.connector)


def planned(model: Writes, case: Asked, prompts: list[int] | None = None) -> tuple[Plan, Tensor | None]:
    sizes = [Size(*SIZES[number]) for number in case.shown]
    plan = Plan.from_ids(
        model.spec, case.rows, sizes, prompts=prompts, targets=case.targets, hints=case.hints, boxes=case.boxes
    )
    if model.spec.sight is None or not case.shown:
        return plan, None
    return plan, seen(model.spec.sight, [pictures()[number] for number in case.shown]).patches_PK


def logits(model: Writes, case: Asked, prompts: list[int] | None = None) -> list[Tensor]:
    """Of each row's own positions, or of its target's."""
    plan, patches = planned(model, case, prompts)
    batch = plan.batch(patches).to(device_of(model))
    found, begun = said(model, batch), begun_by(batch)
    return [row[valid] for row, valid in zip(found, begun.valid_BT, strict=True)]


def outlined(model: Segment, some: list[np.ndarray]) -> list[Tensor]:
    """Masks and scores of two regions of each picture: two points, and a point with a box."""
    device = device_of(model)
    maps = model.see(seen(model.spec, some, device))
    draw = torch.Generator().manual_seed(3)
    points = torch.rand(1, 2, 2, 2, generator=draw).mul(16).expand(len(some), -1, -1, -1)
    labels = torch.tensor([[[1, 0], [1, -1]]]).expand(len(some), -1, -1)
    boxes = torch.tensor([[[1.0, 2.0, 9.0, 13.0], [4.0, 4.0, 15.0, 8.0]]]).expand(len(some), -1, -1)
    mask = torch.randn(1, 1, 16, 16, generator=draw).expand(len(some), -1, -1, -1)
    points, labels, boxes, mask = (part.to(device) for part in (points, labels, boxes, mask))
    found = [model(maps, Prompts(points, labels)), model(maps, Prompts(points, labels, boxes, mask), "one")]
    return [part for one in found for part in (one.masks_BRMHW, one.scores_BRM)]


def named(model: Find, rows: list[list[int]], some: list[np.ndarray]) -> list[Tensor]:
    """Boxes and what names them, of each picture by its own text's tokens."""
    device = device_of(model)
    valid = torch.arange(max(map(len, rows))) < torch.tensor([[len(row)] for row in rows])
    ids = torch.tensor([row + [0] * (valid.shape[1] - len(row)) for row in rows])
    found = model(seen(model.spec, some, device), model.read(ids.to(device), valid.to(device)))
    parts = zip(found.boxes_BG4, found.logits_BGT, rows, strict=True)
    return [torch.cat([boxes, logits[:, : len(row)]], 1) for boxes, logits, row in parts]


PHRASES = [[101, 5, 6, 112, 7, 112, 102], [101, 8, 112, 102], [101, 9, 10, 11, 119, 102]]


def said(model: Writes, batch: Batch) -> Tensor:
    """What a model makes of each position: scores of what comes next, or a vector."""
    if isinstance(model, Causal) and not model.spec.writes:
        return model.embed(batch)
    return model.logits(model(batch))


def pointed(model: Causal, batch: Batch) -> list[Tensor]:
    """Masks and scores of two regions that the first row's text names, in two of three pictures."""
    head = model.spec.head
    assert isinstance(head, Pointing)
    marks_BT = torch.zeros_like(batch.ids_BT, dtype=torch.bool)
    marks_BT[0, [-1, -3]] = True
    marked = replace(batch, ids_BT=batch.ids_BT.masked_fill(marks_BT, head.mark))
    found = model.pointer.named(model(marked), marked)
    maps = model.pointer.see(seen(head.outlines, pictures()))
    outlined = model.pointer.outline(maps, found, [2, 0])
    assert [len(one.masks_BRMHW[0]) for one in outlined] == [1, 0, 1]
    return [part.flatten() for one in outlined for part in (one.masks_BRMHW, one.scores_BRM)]


UNPOINTED = {
    *(f"pointer.outlines.prompts.{name}" for name in ("outside", "inside", "corner1", "corner2", "no_point", "mask.")),
    *(f"pointer.outlines.masks.to_maps.{number}." for number in (1, 2, 3)),
}
"""What nobody asks of a model that outlines, whose prompts are states."""


def sources(left: bool, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Ids and valid places of three rows of 9, 4 and 6 tokens."""
    ids = torch.randint(5, 100, (3, 9), generator=torch.Generator().manual_seed(0))
    valid = torch.arange(9) < torch.tensor([[9], [4], [6]])
    return ids.to(device), (valid.flip(1) if left else valid).to(device)


def scans() -> Tensor:
    """Three small volumes."""
    return torch.rand(3, 32, 32, 16, generator=torch.Generator().manual_seed(4))


def on_pages(model: EncodePage) -> tuple[Words, Sight | None]:
    """Words of three pages, each in a box, and the pages."""
    ids, valid = sources(left=False, device=device_of(model))
    draw = torch.Generator().manual_seed(3)
    corners = torch.randint(0, 600, (3, 9, 2), generator=draw)
    boxes = torch.cat([corners, corners + torch.randint(1, 400, (3, 9, 2), generator=draw)], -1).to(ids.device)
    sight = None if model.spec.sight is None else seen(model.spec.sight, pictures(), ids.device)
    return Words(ids, valid, torch.zeros_like(ids), boxes), sight


# --- the invariants ---------------------------------------------------------------------------------------------------------
