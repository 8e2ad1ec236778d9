"""What a model is given: a plan's tensors, and what is to be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chiasm.connect.qformer import Hint
from chiasm.connect.steps import Visual
from chiasm.pixels.views import look, packed
from chiasm.place import Grid, Laid
from chiasm.shapes import check
from chiasm.spec import Looks


@dataclass(frozen=True)
class Sight:
    """What the encoder is given: packed patches, their grids, and the items' upright (width, height) in pixels. `nth` is the
    number of each item in its row, for models that tell a row's pictures apart by it."""

    patches_PK: Tensor
    grids: tuple[Grid, ...]
    sizes: tuple[tuple[int, int], ...]
    nth: tuple[int, ...] = ()

    @classmethod
    def of(cls, looks: Looks, pictures: Sequence[NDArray[np.uint8]], device: torch.device | str = "cpu") -> Sight:
        """Upright RGB pictures [H, W, 3] as an encoder is given them. Raises `BadPicture` for a size that it refuses."""
        views = [view for number, pixels in enumerate(pictures) for view in look(looks, pixels, number)]
        sizes = tuple((pixels.shape[1], pixels.shape[0]) for pixels in pictures)
        return cls(torch.from_numpy(packed(views)).to(device), tuple(view.grid for view, _ in views), sizes)


@dataclass(frozen=True)
class Asks:
    """Which pictures text may ask: the row of each item, and the first and the next but last item that each position sees."""

    rows_I: tuple[int, ...]
    sees_B2T: Tensor


@dataclass(frozen=True)
class Spots:
    """Rectangles that a text points at, in the order of their marks: x0, y0, x1, y1 as fractions of the picture, and whose."""

    boxes_R4: Tensor
    item_R: Tensor


@dataclass(frozen=True)
class Words:
    """Words of pages, pads on the right: ids, which are no pads, what segment each belongs to, and its box (x0, y0, x1, y1) in
    steps of the page, a thousand to its width and to its height."""

    ids_BT: Tensor
    valid_BT: Tensor
    kinds_BT: Tensor
    boxes_BT4: Tensor

    def __post_init__(self) -> None:
        check(ids_BT=self.ids_BT, valid_BT=self.valid_BT, kinds_BT=self.kinds_BT, boxes_BT4=self.boxes_BT4)


@dataclass(frozen=True)
class Batch:
    """A plan's tensors. `slot_BT` is the visual token of each position or -1, `valid_BT` false at pads,
    `supervise_BT` true where training may look; `next_B` is the position of each row's next token. `segment_BT` is for rows
    with branches: 0 where all of a row's branches share the tokens, the branch's number elsewhere. `prompt_BT` is for models
    whose prompt sees itself whole: true at its positions. `sight` is what is to be seen, or visual tokens that were seen
    before, `hint` the text that a connector reads with each item; `asks` is for models that ask pictures outside of the
    sequence. Where the rows are sources, `target` is what is written after them. `spots` are rectangles that a text points
    at. `alike` says how rows that begin alike are read with fewer tokens; what is to be seen is there then."""

    ids_BT: Tensor
    slot_BT: Tensor
    where_ABT: Tensor
    valid_BT: Tensor
    next_B: Tensor
    supervise_BT: Tensor
    segment_BT: Tensor | None = None
    prompt_BT: Tensor | None = None
    sight: Sight | Visual | None = None
    hint: Hint | None = None
    target: Batch | None = None
    boxes_BT4: Tensor | None = None
    asks: Asks | None = None
    spots: Spots | None = None
    alike: Alike | None = None

    def __post_init__(self) -> None:
        check(
            ids_BT=self.ids_BT,
            slot_BT=self.slot_BT,
            where_ABT=self.where_ABT,
            valid_BT=self.valid_BT,
            next_B=self.next_B,
            supervise_BT=self.supervise_BT,
        )

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device."""
        match self.sight:
            case Sight():
                sight: Sight | Visual | None = replace(self.sight, patches_PK=self.sight.patches_PK.to(device))
            case Visual():
                sight = replace(self.sight, tokens_VD=self.sight.tokens_VD.to(device))
            case None:
                sight = None
        return Batch(
            ids_BT=self.ids_BT.to(device),
            slot_BT=self.slot_BT.to(device),
            where_ABT=self.where_ABT.to(device),
            valid_BT=self.valid_BT.to(device),
            next_B=self.next_B.to(device),
            supervise_BT=self.supervise_BT.to(device),
            segment_BT=None if self.segment_BT is None else self.segment_BT.to(device),
            prompt_BT=None if self.prompt_BT is None else self.prompt_BT.to(device),
            sight=sight,
            hint=None if self.hint is None else self.hint.to(device),
            target=None if self.target is None else self.target.to(device),
            boxes_BT4=None if self.boxes_BT4 is None else self.boxes_BT4.to(device),
            asks=None if self.asks is None else replace(self.asks, sees_B2T=self.asks.sees_B2T.to(device)),
            spots=None if self.spots is None else Spots(self.spots.boxes_R4.to(device), self.spots.item_R.to(device)),
            alike=None if self.alike is None else self.alike.to(device),
        )


@dataclass(frozen=True)
class Alike:
    """Rows that begin alike: what they begin with, read once, which of these beginnings each row has, and how each goes on."""

    begun: Batch
    begun_B: tuple[int, ...]
    rest: Batch

    def to(self, device: torch.device | str) -> Alike:
        """The same on another device."""
        return Alike(self.begun.to(device), self.begun_B, self.rest.to(device))


def lengths(laid: Laid) -> list[int]:
    """How many tokens each grid has."""
    counts: list[int] = np.bincount(laid.place_V4[:, 0], minlength=len(laid.grids)).tolist()
    return counts
