"""Rectangles that a conversation points at, as a plan has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from chiasm.errors import BadPrompt
from chiasm.geometry import Size
from chiasm.model import Spots
from chiasm.place import Ints
from chiasm.prompt.messages import Image, Message, Region
from chiasm.spec import Causal, Regions, Writer

Edges = tuple[float, float, float, float]


@dataclass(frozen=True)
class Spot:
    """A rectangle of an item, its edges as fractions of the picture."""

    item: int
    edges: Edges


def regions_of(spec: Writer) -> Regions | None:
    """How a model's texts point at rectangles; none: they do not."""
    return spec.regions if isinstance(spec, Causal) else None


def pointed(spec: Writer, messages: Sequence[Message]) -> tuple[Message, ...]:
    """The same with the model's mark for each rectangle. Raises `BadPrompt` where the model has none."""
    regions = regions_of(spec)
    if not any(isinstance(part, Region) for message in messages for part in message.content):
        return tuple(messages)
    if regions is None or regions.named is None:
        raise BadPrompt("this model's text cannot point at a rectangle: say in words what is meant, or crop the picture")
    named = regions.named
    return tuple(
        Message(m.role, tuple(replace(part, text=named) if isinstance(part, Region) else part for part in m.content))
        for m in messages
    )


def spots_in(conversations: Sequence[Sequence[Message]], items: Sequence[object]) -> Iterator[Spot]:
    """Every rectangle, each of the picture shown last before it. Raises `BadPrompt` for one without a picture or outside of
    it."""
    shown = -1
    for number, messages in enumerate(conversations):
        first = shown
        for part in (part for message in messages for part in message.content):
            if isinstance(part, Image):
                shown += 1
            elif isinstance(part, Region):
                size = items[shown] if shown > first else None
                if not isinstance(size, Size):
                    raise BadPrompt(f"conversation {number} points at {part.box} before it shows a picture: show it first")
                yield Spot(shown, _fractions(part.box, size))


def _fractions(box: Edges, size: Size) -> Edges:
    x0, y0, x1, y1 = box
    if not (0 <= x0 < x1 <= size.width and 0 <= y0 < y1 <= size.height):
        picture = f"a picture of {size.width} x {size.height}"
        raise BadPrompt(f"the rectangle {box} is none of {picture}: x0 < x1 and y0 < y1 inside it are expected")
    return x0 / size.width, y0 / size.height, x1 / size.width, y1 / size.height


def counted(spec: Writer, rows: Sequence[Ints], slots: Sequence[Ints], spots: Sequence[Spot]) -> None:
    """Raises `BadPrompt` unless rows hold as many marks as there are rectangles, where there are any."""
    regions = regions_of(spec)
    if not spots or regions is None:
        return
    marks = sum(int(np.sum((row == regions.mark) & (own < 0))) for row, own in zip(rows, slots, strict=True))
    if marks != len(spots):
        raise BadPrompt(f"the rows hold {marks} marks of rectangles and {len(spots)} rectangles were given: give as many")


def tensors(spots: Sequence[Spot]) -> Spots | None:
    """Edges as fractions [R, 4] and items [R]; none where there is no rectangle."""
    if not spots:
        return None
    return Spots(torch.tensor([spot.edges for spot in spots]), torch.tensor([spot.item for spot in spots]))
