"""What a picture's placeholder becomes in the text: as many placeholders as visual tokens, with the marks of its tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from chiasm.errors import BadPrompt
from chiasm.place import Grid
from chiasm.prompt.spans import Rendered, Span
from chiasm.spec import Ahead, Around, Bare, Edges, Marks, Numbered, RowColumn, RowEnds, Sized


def written(marks: Marks, placeholder: str, grids: Sequence[Grid], counts: Sequence[int], number: int) -> str:
    """The text of one picture: `grids` are its views as they leave the connector, `counts` the visual tokens of each, `number`
    its own in its conversation."""
    count, shown = sum(counts), [placeholder * each for each in counts]
    match marks:
        case Bare() | Ahead():
            return placeholder * count
        case RowColumn(edge, tile, whole):
            *tiles, last = grids
            columns = len({grid.box.x0 for grid in tiles})
            lines = []
            for start in range(0, len(tiles), columns or 1):
                row = start // columns + 1
                named = (tile.format(row=row, column=column + 1) for column in range(columns))
                cells = zip(named, tiles[start : start + columns], strict=True)
                lines.append("".join(f"{edge}{name}{placeholder * grid.cells}" for name, grid in cells) + "\n")
            feed = "\n" if tiles else ""
            return "".join(lines) + f"{feed}{edge}{whole}{placeholder * last.cells}{edge}"
        case Around(before, after):
            return f"{before}{placeholder * count}{after}"
        case Edges(edge):
            return "".join(f"{edge}{view}" for view in shown) + edge
        case Sized(before, between, last_mark, after):
            (grid,) = grids
            return f"{before}{grid.h}*{grid.w}{between}{placeholder * count}{last_mark}{after}"
        case RowEnds(between, last_mark):
            (grid,) = grids
            return between.join([placeholder * grid.w] * grid.h) + last_mark
        case Numbered(whole, part, named):
            opening = "" if named is None else f"{named[0]}{number}{named[1]}"
            slices = zip(grids[1:], shown[1:], strict=True)
            rows = ["".join(view.join(part) for _, view in row) for _, row in groupby(slices, key=lambda one: one[0].box.y0)]
            return opening + shown[0].join(whole) + "\n".join(rows)


@dataclass(frozen=True)
class Controls:
    """How many control tokens stand apart from a picture, with text between; before its first view, before each view, after
    each row of visual tokens but the last, after each view, and after the picture."""

    apart: int = 0
    opening: int = 0
    leading: int = 0
    row: int = 0
    trailing: int = 0
    closing: int = 0


def around(marks: Marks) -> Controls:
    """Where the control tokens of one picture stand."""
    match marks:
        case Bare() | Ahead():
            return Controls()
        case RowColumn():
            return Controls(leading=2, closing=1)
        case Around():
            return Controls(opening=1, closing=1)
        case Edges():
            return Controls(leading=1, closing=1)
        case Sized():
            return Controls(apart=1, opening=1, closing=2)
        case RowEnds():
            return Controls(row=1, closing=1)
        case Numbered(number=named):
            return Controls(leading=1, trailing=1, apart=0 if named is None else 2)


def controls(marks: Marks, grids: Sequence[Grid]) -> int:
    """How many control tokens stand around the visual tokens of a picture of those grids, as they leave the connector."""
    each = around(marks)
    rows = sum(grid.h - 1 for grid in grids)
    views = (each.leading + each.trailing) * len(grids)
    return each.apart + each.opening + views + each.row * rows + each.closing


def beside(marks: Marks, text: str, follows: str, placeholder: str) -> str:
    """The text of a picture before what `follows` it. Neighbours share an edge, and a closing one keeps off the next word, as
    Idefics2's processor has it."""
    match marks:
        case Edges(edge) if follows.startswith(placeholder):
            return text.removesuffix(edge)
        case Edges(gap=gap) if follows and not follows[0].isspace() and follows[0] != "<":
            return f"{text}{gap}"
        case _:
            return text


def expanded(rendered: Rendered, texts: Sequence[tuple[str, str]], marks: Marks | None = None) -> Rendered:
    """A rendered conversation in which each placeholder that the template wrote has become the text of its picture: `texts` are
    those placeholders, each with what it becomes; templates may write one kind of picture before another.

    `marks` say how that text meets what stands after it. What a person typed is left alone, placeholders included. Raises
    `BadPrompt` where the template's placeholders and the pictures differ in number.
    """
    found = []
    for placeholder in dict.fromkeys(placeholder for placeholder, _ in texts):
        places, becomes = _places(rendered, placeholder), [text for one, text in texts if one == placeholder]
        if len(places) != len(becomes):
            message = (
                f"the conversation has {len(becomes)} pictures and its template wrote {len(places)} placeholders "
                f"{placeholder!r}: give as many pictures as the messages mark"
            )
            raise BadPrompt(message)
        found += [(place, placeholder, text) for place, text in zip(places, becomes, strict=True)]
    pieces, grown, end = [], [], 0
    for place, placeholder, written_out in sorted(found):
        follows = rendered.text[place + len(placeholder) :]
        text = written_out if marks is None else beside(marks, written_out, follows, placeholder)
        pieces += [rendered.text[end:place], text]
        end = place + len(placeholder)
        grown.append((end, len(text) - len(placeholder)))
    pieces.append(rendered.text[end:])

    def moved(place: int) -> int:
        return place + sum(more for after, more in grown if place >= after)

    spans: tuple[Span, ...] = tuple(replace(s, start=moved(s.start), end=moved(s.end)) for s in rendered.spans)
    return replace(rendered, text="".join(pieces), spans=spans)


def _places(rendered: Rendered, placeholder: str) -> list[int]:
    """Where the template itself (or a text that is not literal) wrote the placeholder."""
    typed = [(span.start, span.end) for span in rendered.spans if span.literal]
    places, at = [], rendered.text.find(placeholder)
    while at >= 0:
        end = at + len(placeholder)
        if not any(start < end and at < stop for start, stop in typed):
            places.append(at)
        at = rendered.text.find(placeholder, end)
    return places
