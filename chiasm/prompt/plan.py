"""One plan, used by everybody: which ids stand where, which visual token goes into which slot, positions, what is trained on.

A model that writes after a source has two streams, sources and targets; a connector that reads text beside what was seen has
a third one, the hint.

A plan is made of rows of ids and of the sizes of pictures, never of pixels; its tensors are the model's `Batch`. Whoever
wants to know what a request costs, to train on it or to answer it asks the same plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from chiasm.errors import BadPrompt, Overflow
from chiasm.model import Batch
from chiasm.model import Sight as Seen
from chiasm.place import Grid, Ints, Laid
from chiasm.prompt.asked import asked, asks
from chiasm.prompt.branches import abreast, joined
from chiasm.prompt.items import Item, called, edges, lay
from chiasm.prompt.pages import Corners, boxes_of
from chiasm.prompt.places import places_of
from chiasm.prompt.row import NO_SLOT, Row, known, padded
from chiasm.prompt.slots import filled_rows, slots_of
from chiasm.prompt.spots import Spot, counted, tensors
from chiasm.prompt.streams import heard_by, hint, targets_of
from chiasm.sequence.positions import positions
from chiasm.spec import Causal, Cross, Seq2Seq, Writer


@dataclass(frozen=True)
class Plan:
    """Rows, and where every visual token of every item stands."""

    spec: Writer
    rows: tuple[Row, ...]
    items: tuple[Item, ...]
    grids: tuple[Grid, ...]
    laid: Laid
    rows_I: tuple[int, ...] = ()
    """The row of each item, where pictures are asked outside of the sequence."""
    spots: tuple[Spot, ...] = ()
    """Rectangles that the rows point at, in the order of their marks."""

    @classmethod
    def from_ids(
        cls,
        spec: Writer,
        rows: Sequence[Sequence[int]],
        items: Sequence[Item] = (),
        supervise: Sequence[Sequence[bool]] | None = None,
        names: Sequence[str] = (),
        prompts: Sequence[int] | None = None,
        *,
        targets: Sequence[Sequence[int]] = (),
        hints: Sequence[Sequence[int]] = (),
        places: int | None = None,
        boxes: Sequence[Sequence[Corners]] = (),
        spots: Sequence[Spot] = (),
    ) -> Plan:
        """Lays items into rows whose placeholders are already expanded, in reading order.

        Pictures fill the image placeholders and clips the video placeholders, or both the same; a row takes items until its
        placeholders are full and must end on an item's end. Where pictures stand alone, item n is row n, which has no ids.
        `prompts` are the lengths of the rows' prompts, where the model sees those whole (none: all that stands before the
        first token that training may look at). Of a model with sources and targets the rows are sources; `targets` are what
        is written after each, none meaning the id that begins one, and `supervise` is about them. `hints` are what a
        connector reads with each row's pictures.

        Where pictures are asked outside of the sequence, one placeholder is one picture; with `places` each row has so many
        for pictures, and `items` fill all of them, row by row: what no placeholder stands for is seen by nobody.

        `spots` are what the marks of rectangles point at, in their order.

        Where words stand in boxes, `boxes` are those of every row's ids, as fractions of its page, and item n is row n's page.

        Raises `BadPrompt` naming the row, both counts and the items, and `Overflow` where a row is longer than the model's
        context.
        """
        grids, laid, counts = lay(spec, items)
        ids = filled_rows(spec, [np.asarray(row, np.int64) for row in rows], counts)
        slots = slots_of(spec, ids, items, counts, names)
        sees, rows_I = asked(spec, ids, [called(number, items, names) for number in range(len(items))], places)
        counted(spec, ids, slots, spots)
        paged = boxes_of(spec, boxes, ids, len(items))
        heard = heard_by(spec, hints, len(ids))
        written = targets_of(spec, targets, len(ids), supervise)
        planned = []
        for number, (ids_T, slots_T) in enumerate(zip(ids, slots, strict=True)):
            known(number, ids_T[slots_T == NO_SLOT], spec.vocab)
            where_AT, after = positions(slots_T, laid, spec.axes, spec.sight.fusion if spec.sight else None)
            own = supervise if isinstance(spec, Causal) else None
            watched, idle = np.asarray(own[number] if own else np.zeros(len(ids_T)), bool), np.zeros_like(ids_T)
            prompt = _prompt(spec, watched, None if prompts is None else prompts[number])
            row = Row(ids_T, slots_T, where_AT + spec.first, after + spec.first, watched, idle, prompt)
            planned.append(
                replace(row, target=written[number], hint_T=heard[number], sees_2T=sees[number], boxes_T4=paged[number])
            )
        plan = cls(spec, tuple(planned), tuple(items), grids, laid, rows_I, tuple(spots))
        plan.fits(0)
        return plan

    @classmethod
    def branched(cls, spec: Causal, questions: Sequence[Sequence[Row]], items: Sequence[Item], room: int = 0) -> Plan:
        """Rows that ask several things of one picture each and read it once: questions[n] are single rows about items[n],
        alike up to their last visual token; each becomes a branch that sees that prefix and itself alone.

        Trees are put one after the other into rows of up to `room` tokens, each as if it were alone, so that the fewest
        pads are left; without room for two, each has a row of its own. Raises `BadPrompt` for a model whose pictures see the
        question: they cannot be read before it.
        """
        if spec.sight is not None and isinstance(spec.sight.fusion, Cross):
            raise BadPrompt(
                "this model's pictures stand outside of the sequence, which cannot branch after them: ask them apart"
            )
        if spec.prompt == "full":
            raise BadPrompt("this model's pictures see the question, so several questions cannot share one: ask them apart")
        grids, laid, counts = lay(spec, items)
        starts = np.cumsum([0, *counts])
        trees = [joined(rows, start) for rows, start in zip(questions, starts, strict=False)]
        return cls(spec, tuple(abreast(trees, room)), tuple(items), grids, laid)

    def fits(self, more: int) -> None:
        """Raises `Overflow` unless every row (or target), and `more` tokens after it, are within the model's context."""
        context = self.spec.context
        if context is None:
            return
        for number, row in enumerate(row.target or row for row in self.rows):
            if len(row) + more > context:
                visual = int((row.slots_T != NO_SLOT).sum())
                message = (
                    f"row {number} needs {len(row) + more} tokens ({visual} visual, {len(row) - visual} of text, {more} to "
                    f"generate), {len(row) + more - context} more than the context of {context}: lower the resolution or the "
                    "number of pictures, the text or max_tokens"
                )
                raise Overflow(message)

    def batch(self, patches_PK: Tensor | None = None) -> Batch:
        """The plan's tensors, rows padded on the left; with pictures, also the patches of all items in order, [P, K]."""
        targets = [row.target for row in self.rows if row.target is not None]
        return replace(
            padded(self.rows, self.spec.axes),
            sight=None if patches_PK is None else Seen(patches_PK, self.grids, self.sizes, self.nth),
            asks=asks(self.rows, self.rows_I),
            hint=hint(self.rows, self.laid, len(self.items)),
            target=padded(targets, 1) if targets else None,
            spots=tensors(self.spots),
        )

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Upright (width, height) of each item, in source pixels where they are known."""
        return tuple(map(edges, self.items))

    @property
    def nth(self) -> tuple[int, ...]:
        """The number of each item in its row, where pictures are asked outside of the sequence."""
        return tuple(self.rows_I[:item].count(row) for item, row in enumerate(self.rows_I))

    def places(self, number: int) -> Ints:
        """What each token of a row shows, as (grid, t, y, x), [T, 4]; -1 is the whole of an axis.

        A visual token has its own place, a mark of a tile the whole of its view, any other text -1 throughout.
        """
        slots_T = self.rows[number].slots_T
        return places_of(slots_T, self.laid, None if self.spec.sight is None else self.spec.sight.marks)

    def spent(self, row: int) -> tuple[int, int]:
        """Tokens of pictures and of text that a row takes up, those of pictures beside the sequence too."""
        spliced = int((self.rows[row].slots_T != NO_SLOT).sum())
        beside = [count for count, owner in zip(self.visual_tokens(), self.rows_I, strict=False) if owner == row]
        return spliced + sum(beside), len(self.rows[row]) - spliced

    def visual_tokens(self) -> list[int]:
        """How many visual tokens each item has."""
        return self.laid.counts(len(self.items))


def _prompt(spec: Writer, watched_T: np.ndarray, said: int | None) -> int:
    """How many tokens of a row see one another, later ones too."""
    if isinstance(spec, Seq2Seq) or spec.prompt == "causal":
        return 0
    return said if said is not None else int(watched_T.argmax()) if watched_T.any() else len(watched_T)
