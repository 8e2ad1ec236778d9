"""Rules from a checkpoint's names (theirs) to parameters' names (ours), and back."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Form:
    """Another shape of the same numbers: theirs is split into the axes `split`, these are put in `order`, and the result has
    the shape `ours`; `theirs` is the shape to go back to. One size of each shape may be -1."""

    split: tuple[int, ...]
    order: tuple[int, ...]
    ours: tuple[int, ...]
    theirs: tuple[int, ...]


def alone(axes: int) -> Form:
    """A vector that a file holds behind `axes` axes of one."""
    return Form((-1,), (0,), (-1,), (*(1,) * axes, -1))


def rows(width: int) -> Form:
    """A table of `width` columns that a file holds behind one axis of one."""
    return Form((-1, width), (0, 1), (-1, width), (1, -1, width))


def transposed(rows: int, columns: int) -> Form:
    """A matrix that a file holds as (rows, columns) and that is (columns, rows) here."""
    return Form((rows, columns), (1, 0), (columns, rows), (rows, columns))


@dataclass(frozen=True)
class Name:
    """theirs <-> ours; `*` stands for the same text without dots in both, `**` for any text."""

    theirs: str
    ours: str


@dataclass(frozen=True)
class Fused:
    """One tensor of theirs is several of ours, side by side along the first axis. `sizes` may be unequal: their share each.

    With `groups` the axis is that many runs, each of them side by side in itself.
    """

    theirs: str
    ours: tuple[str, ...]
    shares: tuple[int, ...]
    forms: tuple[Form | None, ...] = ()
    """How each part is shaped anew, where any is."""
    groups: int = 1


@dataclass(frozen=True)
class Shared:
    """One tensor of theirs is each of ours, whole."""

    theirs: str
    ours: tuple[str, ...]


@dataclass(frozen=True)
class Ignored:
    """A tensor of theirs that means nothing here: a buffer that is computed, or a copy of a tied weight."""

    theirs: str


@dataclass(frozen=True)
class Respelt:
    """Another spelling of a prefix in files of other times; read, never written."""

    old: str
    new: str


@dataclass(frozen=True)
class Reshaped:
    """theirs <-> ours, the same numbers in another shape."""

    theirs: str
    ours: str
    form: Form


Rule = Name | Fused | Shared | Ignored | Respelt | Reshaped


def under(theirs: str, ours: str, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Rules of a part, as they stand inside a whole."""

    def moved(rule: Rule) -> Rule:
        match rule:
            case Name():
                return Name(theirs + rule.theirs, ours + rule.ours)
            case Reshaped():
                return replace(rule, theirs=theirs + rule.theirs, ours=ours + rule.ours)
            case Fused():
                return replace(rule, theirs=theirs + rule.theirs, ours=tuple(ours + name for name in rule.ours))
            case Shared():
                return replace(rule, theirs=theirs + rule.theirs, ours=tuple(ours + name for name in rule.ours))
            case Ignored():
                return Ignored(theirs + rule.theirs)
            case Respelt():
                return Respelt(theirs + rule.old, theirs + rule.new)

    return tuple(moved(rule) for rule in rules)
