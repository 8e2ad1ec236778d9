"""Search among pictures and texts by the cosine of their vectors, in either direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chiasm.assistant import Assistant
from chiasm.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Index:
    """Items that can be found, and their unit vectors, [items, width]. `ask` is asked with text or pictures, by any model of
    the same space: Nomic's text model finds what its vision model indexed."""

    items: tuple[object, ...]
    vectors_ID: Tensor

    def ask(self, assistant: Assistant, queries: Sequence[object], most: int = 10) -> list[list[Hit]]:
        """The nearest items of each query (a text, or anything that opens as a picture), best first.

        Raises `Unsupported` where the model makes no vectors, `UserError` where its space is another.
        """
        return self.nearest(assistant.embed(queries), most) if queries else []

    def nearest(self, vectors_QD: Tensor, most: int = 10) -> list[list[Hit]]:
        """The nearest items of each unit vector, best first; equals in the order of the index."""
        if most < 1:
            raise UserError(f"{most} hits were asked for: at least 1 is needed")
        if vectors_QD.shape[-1] != self.vectors_ID.shape[-1]:
            widths = f"{vectors_QD.shape[-1]} numbers and the index has vectors of {self.vectors_ID.shape[-1]}"
            raise UserError(f"a query has {widths}: index and query need models of one space")
        cosines_QI = vectors_QD.float() @ self.vectors_ID.float().T
        order_QI = cosines_QI.argsort(dim=-1, descending=True, stable=True)[:, :most]
        return [
            [Hit(number, self.items[number], float(cosines[number])) for number in order.tolist()]
            for cosines, order in zip(cosines_QI, order_QI, strict=True)
        ]


@dataclass(frozen=True)
class Hit:
    """A found item: its number in the index, itself, and the cosine with what was asked."""

    number: int
    item: object
    cosine: float


def index(assistant: Assistant, items: Sequence[object]) -> Index:
    """Makes texts (`str`) and pictures (anything that opens as one) findable. Raises `UserError` for none,
    `Unsupported` where the model makes no vectors."""
    if not items:
        raise UserError("there is nothing to index: give at least one text or picture")
    return Index(tuple(items), assistant.embed(items))
