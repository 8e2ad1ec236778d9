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
from chiasm.geometry import Size, clip_view, views
from chiasm.model import Batch
from chiasm.model import Sight as Seen
from chiasm.place import Grid, Ints, Laid, connect, encoded
from chiasm.prompt.asked import asked, asks
from chiasm.prompt.marks import around, controls
from chiasm.prompt.pages import Corners, boxes_of
from chiasm.prompt.row import NO_SLOT, Row, known, padded
from chiasm.prompt.spots import Spot, counted, tensors
from chiasm.prompt.streams import heard_by, hint, targets_of
from chiasm.sequence.masks import TREE
from chiasm.sequence.positions import positions
from chiasm.spec import AddByBox, Alone, Causal, Cross, Expert, Frames, Fusion, Seq2Seq, Sight, Splice, Writer


@dataclass(frozen=True)
class Clip:
    """A video: the grid of its patches, its seconds in `grid.times`, and where they are known its frames' upright size."""

    grid: Grid
    size: Size | None = None


@dataclass(frozen=True)
class Blank:
    """A place for a picture that has none, as some references fill rows up with; its grid shows nothing."""

    grid: Grid


Item = Size | Clip | Blank
"""A picture by its upright size, a video by its grid, or none."""


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
        ids = _filled(spec, [np.asarray(row, np.int64) for row in rows], counts)
        crossed = spec.sight.fusion if spec.sight is not None and isinstance(spec.sight.fusion, Cross) else None
        if crossed is None:
            slots, rows_I = _slots(spec, ids, items, counts, names), tuple[int, ...]()
            sees: list[Ints | None] = [None] * len(ids)
        else:
            slots = [np.full(len(row), NO_SLOT, np.int64) for row in ids]
            called = [_called(number, items, names) for number in range(len(items))]
            sees, rows_I = asked(crossed, ids, called, places)
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
        trees = [_joined(rows, start) for rows, start in zip(questions, starts, strict=False)]
        return cls(spec, tuple(_abreast(trees, room)), tuple(items), grids, laid)

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
        place_T4 = np.full((len(slots_T), 4), -1, np.int64)
        here = np.flatnonzero(slots_T != NO_SLOT)
        place_T4[here] = self.laid.place_V4[slots_T[here]]
        if self.spec.sight is None:
            return place_T4
        marks = around(self.spec.sight.marks)
        views, items = place_T4[here, 0], self.laid.items()[slots_T[here]]
        first, opens, closes = (np.diff(edges, prepend=-1) != 0 for edges in (views, items, items[::-1]))
        for at, view in zip(here[first], views[first], strict=True):
            place_T4[at - marks.leading : at, 0] = view
        for at, view in zip(here[opens], views[opens], strict=True):
            place_T4[at - marks.leading - marks.opening : at - marks.leading, 0] = view
        if marks.row:
            widths = np.array([grid.w for grid in self.laid.grids])[views]
            for at in here[place_T4[here, 3] == widths - 1]:
                place_T4[at + 1 : at + 1 + marks.row] = (*place_T4[at, :3], -1)
        last = (np.diff(views[::-1], prepend=-1) != 0)[::-1]
        for at, view in zip(here[last], views[last], strict=True):
            place_T4[at + 1 : at + 1 + marks.trailing, 0] = view
        for at, view in zip(here[closes[::-1]], views[closes[::-1]], strict=True):
            place_T4[at + 1 : at + 1 + marks.closing] = (view, -1, -1, -1)
        return place_T4

    def spent(self, row: int) -> tuple[int, int]:
        """Tokens of pictures and of text that a row takes up, those of pictures beside the sequence too."""
        spliced = int((self.rows[row].slots_T != NO_SLOT).sum())
        beside = [count for count, owner in zip(self.visual_tokens(), self.rows_I, strict=False) if owner == row]
        return spliced + sum(beside), len(self.rows[row]) - spliced

    def visual_tokens(self) -> list[int]:
        """How many visual tokens each item has."""
        return self.laid.counts(len(self.items))


def lay(spec: Writer, items: Sequence[Item]) -> tuple[tuple[Grid, ...], Laid, list[int]]:
    """The patch grids of all items, the places of all visual tokens, and how many each item has: from sizes alone."""
    if spec.sight is None:
        if items:
            raise BadPrompt(f"{len(items)} pictures for a model of text alone: choose a model that sees")
        return (), Laid(np.zeros((0, 4), np.int64), ()), []
    grids = tuple(grid for number, item in enumerate(items) for grid in grids_of(spec.sight, item, number))
    laid = connect(spec.sight.connector, encoded(spec.sight.encoder, grids), [edges(item) for item in items])
    return grids, laid, laid.counts(len(items)) if items else []


def edges(item: Item) -> tuple[int, int]:
    """Upright (width, height) of a picture, or of a clip's frames, in source pixels; of anything else in cells."""
    match item:
        case Size(width, height) | Clip(size=Size(width, height)):
            return width, height
        case Clip(grid) | Blank(grid):
            return grid.w, grid.h


def in_text(fusion: Fusion, visual: int) -> int:
    """How many places in the sequence a picture of so many visual tokens takes."""
    match fusion:
        case Splice() | Expert() | Alone() | AddByBox():
            return visual
        case Cross():
            return 1


@dataclass(frozen=True)
class Count:
    """What one picture takes in a sequence: visual tokens, and the control tokens around them (line feeds are text)."""

    visual: int
    marks: int


def count(spec: Writer, size: Size) -> Count:
    """The tokens of one picture, from its size alone. Raises `BadPicture` for a size that the family refuses."""
    _, laid, (visual,) = lay(spec, [size])
    assert spec.sight is not None
    return Count(visual, controls(spec.sight.marks, laid.grids))


def grids_of(sight: Sight, item: Item, number: int) -> list[Grid]:
    """The grids of patches that one item becomes."""
    match item:
        case Size():
            return [view.grid for view in views(sight.views, sight.pixels, sight.encoder, item, number)]
        case Clip(grid) | Blank(grid):
            return [Grid(number, grid.t, grid.h, grid.w, grid.box, grid.times)]


def filmed(sight: Sight, frames: Frames, size: Size, times: Sequence[float], name: str) -> Clip:
    """A clip of frames of one size, seen at those seconds. Raises `BadPrompt` for more frames than the model looks at."""
    if frames.most is not None and len(times) > frames.most:
        message = f"{name}: {len(times)} frames are taken, and this model looks at {frames.most} at most"
        raise BadPrompt(f"{message}: take fewer (--frames {frames.most})")
    return Clip(clip_view(frames, sight.encoder, size, times, 0).grid, size)


def _filled(spec: Writer, rows: list[Ints], counts: list[int]) -> list[Ints]:
    """Rows with room for their pictures, where a picture is a whole row."""
    if spec.sight is None or not isinstance(spec.sight.fusion, Alone):
        return rows
    words = sum(map(len, rows))
    if words or len(rows) != len(counts):
        message = (
            f"{len(rows)} rows of {words} tokens of text for {len(counts)} pictures, and this model reads one picture a row "
            "without a word: give as many rows, all of them empty, and the text as their targets"
        )
        raise BadPrompt(message)
    return [np.zeros(count, np.int64) for count in counts]


def _slots(spec: Writer, rows: list[Ints], items: Sequence[Item], counts: list[int], names: Sequence[str]) -> list[Ints]:
    """The visual token of each position of each row."""
    slots = [np.full(len(row), NO_SLOT, np.int64) for row in rows]
    if spec.sight is None:
        return slots
    starts = np.cumsum([0, *counts])
    fusion = spec.sight.fusion
    match fusion:
        case AddByBox():
            return slots
        case Alone():
            return [np.arange(starts[number], starts[number + 1]) for number in range(len(rows))]
        case Splice(image, int(video)):
            kinds: list[tuple[int, tuple[type, ...]]] = [(image, (Size,)), (video, (Clip,))]
        case Splice(image) | Expert(image) | Cross(image):
            kinds = [(image, (Size, Clip))]
    for placeholder, kind in kinds:
        queue = [number for number, item in enumerate(items) if isinstance(item, kind)]
        for number, row in enumerate(rows):
            here = np.flatnonzero((row == placeholder) | _inside(row, fusion))
            taken: list[int] = []
            while queue and sum(counts[item] for item in taken) < len(here):
                taken.append(queue.pop(0))
            filled = sum(counts[item] for item in taken)
            if filled != len(here):
                raise BadPrompt(_disagreement(number, len(here), taken, counts, items, names))
            slots[number][here] = [token for item in taken for token in range(starts[item], starts[item + 1])]
        if queue:
            message = (
                f"{_called(queue[0], items, names)} has no placeholder in any row: {len(queue)} of {len(items)} items are left"
            )
            raise BadPrompt(message)
    return slots


def _inside(row_T: Ints, fusion: Fusion) -> np.ndarray:
    """Where ids stand between the two that close a picture in."""
    if not isinstance(fusion, Splice) or fusion.inside is None:
        return np.zeros(len(row_T), bool)
    opens, closes = (np.cumsum(row_T == edge) for edge in fusion.inside)
    return (opens > closes) & (row_T != fusion.inside[0])


def _prompt(spec: Writer, watched_T: np.ndarray, said: int | None) -> int:
    """How many tokens of a row see one another, later ones too."""
    if isinstance(spec, Seq2Seq) or spec.prompt == "causal":
        return 0
    return said if said is not None else int(watched_T.argmax()) if watched_T.any() else len(watched_T)


def _disagreement(
    row: int, places: int, taken: list[int], counts: list[int], items: Sequence[Item], names: Sequence[str]
) -> str:
    filled = sum(counts[item] for item in taken)
    which = "; ".join(f"{_called(item, items, names)} has {counts[item]}" for item in taken) or "no picture is left for it"
    return f"row {row} has {places} image placeholders and its pictures {filled} visual tokens: {which}"


def _called(number: int, items: Sequence[Item], names: Sequence[str]) -> str:
    item = items[number]
    match item:
        case Size(width, height):
            shape = f"{width} x {height}"
        case Clip(grid):
            shape = f"clip of {grid.t} x {grid.h} x {grid.w}"
        case Blank():
            shape = "no picture"
    return f"{names[number] if number < len(names) else f'item {number}'} ({shape})"


def _joined(rows: Sequence[Row], start: int) -> Row:
    shared = int(np.flatnonzero(rows[0].slots_T != NO_SLOT).max()) + 1
    if any(not np.array_equal(row.ids_T[:shared], rows[0].ids_T[:shared]) for row in rows):
        raise BadPrompt("branches of one row must be alike up to their last visual token")

    def along(name: str, axis: int = -1) -> Ints:
        parts = [vars(row)[name][..., 0 if number == 0 else shared :] for number, row in enumerate(rows)]
        return np.concatenate(parts, axis)

    lengths = [shared, *(len(row) - shared for row in rows)]
    slots_T = along("slots_T")
    return Row(
        along("ids_T"),
        np.where(slots_T == NO_SLOT, NO_SLOT, slots_T + start),
        along("where_AT"),
        max(row.next for row in rows),
        along("supervise_T"),
        np.repeat(np.arange(len(lengths)), lengths),
    )


def _abreast(trees: Sequence[Row], room: int) -> list[Row]:
    """Trees in rows, of all widths up to `room` in the one that leaves the fewest pads."""
    longest = max(map(len, trees))
    if room <= longest:
        return list(trees)
    tried = [_first_fit(trees, width) for width in range(longest, room + 1, 4)]
    return [_in_line(row) for row in min(tried, key=lambda rows: len(rows) * max(sum(map(len, row)) for row in rows))]


def _first_fit(trees: Sequence[Row], width: int) -> list[list[Row]]:
    """The longest first, each into the first row that has room for it."""
    rows: list[list[Row]] = []
    for tree in sorted(trees, key=len, reverse=True):
        row = next((row for row in rows if sum(map(len, row)) + len(tree) <= width), None)
        if row is None:
            rows.append([tree])
        else:
            row.append(tree)
    return rows


def _in_line(trees: Sequence[Row]) -> Row:
    def along(name: str) -> Ints:
        return np.concatenate([vars(tree)[name] for tree in trees], -1)

    segments = np.concatenate([tree.segment_T + number * TREE for number, tree in enumerate(trees)])
    return Row(along("ids_T"), along("slots_T"), along("where_AT"), trees[-1].next, along("supervise_T"), segments)
