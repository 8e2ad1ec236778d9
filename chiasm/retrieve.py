"""Search among pictures and texts by the cosine of their vectors, in either direction: one vector an item, or one for each of
its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chiasm.assistant import Assistant
from chiasm.errors import UserError
from chiasm.heads.multivector import late_interaction

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
        if vectors_QD.shape[-1] != self.vectors_ID.shape[-1]:
            widths = f"{vectors_QD.shape[-1]} numbers and the index has vectors of {self.vectors_ID.shape[-1]}"
            raise UserError(f"a query has {widths}: index and query need models of one space")
        return _best(self.items, vectors_QD.float() @ self.vectors_ID.float().T, most)


@dataclass(frozen=True)
class LateIndex:
    """Items of many unit vectors each, [vectors, width]: what is asked is compared vector by vector (ColPali,
    arXiv:2407.01449)."""

    items: tuple[object, ...]
    vectors: tuple[Tensor, ...]

    def ask(self, assistant: Assistant, queries: Sequence[object], most: int = 10) -> list[list[Hit]]:
        """As `Index.ask`."""
        return self.nearest(assistant.embed(queries), most) if queries else []

    def nearest(self, queries: Sequence[Tensor], most: int = 10) -> list[list[Hit]]:
        """The nearest items of each set of unit vectors, best first; equals in the order of the index."""
        width = self.vectors[0].shape[-1]
        for query_GD in queries:
            if query_GD.ndim != 2 or query_GD.shape[-1] != width:
                shape = f"{tuple(query_GD.shape)} and the index holds sets of vectors of {width}"
                raise UserError(f"a query has the shape {shape}: index and query need models of one space")
        return _best(self.items, late_interaction(queries, self.vectors), most)


def _best(items: tuple[object, ...], scores_QI: Tensor, most: int) -> list[list[Hit]]:
    if most < 1:
        raise UserError(f"{most} hits were asked for: at least 1 is needed")
    order_QI = scores_QI.argsort(dim=-1, descending=True, stable=True)[:, :most]
    return [
        [Hit(number, items[number], float(scores[number])) for number in order.tolist()]
        for scores, order in zip(scores_QI, order_QI, strict=True)
    ]


@dataclass(frozen=True)
class Hit:
    """A found item: its number in the index, itself, and the cosine with what was asked; of many vectors, the best cosines of
    each of the query's added up."""

    number: int
    item: object
    cosine: float


def index(assistant: Assistant, items: Sequence[object]) -> Index | LateIndex:
    """Makes texts (`str`) and pictures (anything that opens as one) findable, by one vector each or by many, as the model
    makes them. Raises `UserError` for none,
    `Unsupported` where the model makes no vectors."""
    if not items:
        raise UserError("there is nothing to index: give at least one text or picture")
    vectors = assistant.embed(items)
    return LateIndex(tuple(items), tuple(vectors)) if isinstance(vectors, list) else Index(tuple(items), vectors)
