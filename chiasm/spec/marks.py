"""What stands around a picture's visual tokens in the text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bare:
    """One placeholder becomes as many as the picture has visual tokens."""


@dataclass(frozen=True)
class RowColumn:
    """Idefics3's marks: every tile led by `edge` and its row and column, a line feed after each row of tiles, the global view
    led by `whole`, one `edge` at the end."""

    edge: str
    tile: str
    whole: str


@dataclass(frozen=True)
class Around:
    """One mark before all of a picture's visual tokens and one after (InternVL)."""

    before: str
    after: str


@dataclass(frozen=True)
class Ahead:
    """No marks, and no place in the text: the visual tokens of a row's pictures stand before all of it, before the id that
    begins a sequence too (BLIP-2, arXiv:2301.12597)."""


@dataclass(frozen=True)
class Edges:
    """The same mark before every view of a picture and after its last one (Idefics2). `gap` keeps the last one off the next
    word."""

    edge: str
    gap: str = " "


@dataclass(frozen=True)
class RowEnds:
    """A mark after each row of visual tokens, another one after the last (Pixtral, arXiv:2410.07073)."""

    between: str
    last: str


@dataclass(frozen=True)
class Sized:
    """A mark, how many rows and columns of tokens a picture has in figures, another mark, the tokens, two marks after them
    (Emu3, arXiv:2409.18869)."""

    before: str
    between: str
    last: str
    after: str


@dataclass(frozen=True)
class Numbered:
    """The whole picture between `whole` marks, then its slices between `part` marks, a line feed after each row of them but the
    last (MiniCPM-V, arXiv:2408.01800); before all the picture's number in its conversation, from 0, where `number` marks stand
    around it."""

    whole: tuple[str, str]
    part: tuple[str, str]
    number: tuple[str, str] | None = None


Marks = Sized | Bare | RowColumn | Around | Ahead | Edges | RowEnds | Numbered

NO_MARKS = Bare()
