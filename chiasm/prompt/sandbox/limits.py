"""Limits of work and time, and of the size of what a template reads and makes."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

SIZE = 8_000_000
STEPS = 2_000_000
SECONDS = 5.0
WIDTH = 10_000
BITS = 4_096
_HERE = str(Path(__file__).parent)
_WIDE = {
    "%": re.compile(r"%(\([^)]*\))?[-#0 +]*\d*\.?(\*|\d{5,})"),
    "{": re.compile(r":[^{}]*(\{|\d{5,})"),
}


class Exhausted(BaseException):
    """A template went over a limit. Not an `Exception`, so that nothing inside Jinja can swallow it."""


@contextmanager
def limited() -> Iterator[None]:
    """Runs its body under the limits of work and time; raises `Exhausted`. One thread is measured: the caller's."""
    left, deadline = STEPS, time.thread_time() + SECONDS

    def step(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename.startswith(_HERE):
            return None  # the guards' own work is bounded by `SIZE`
        left -= 1
        if left < 0:
            raise Exhausted(f"it ran for more than {STEPS:,} steps")
        if left % 16 == 0 and time.thread_time() > deadline:
            raise Exhausted(f"it ran for more than {SECONDS:g} seconds")
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        yield
    except (MemoryError, RecursionError) as e:
        raise Exhausted(f"it ended in {type(e).__name__}") from None
    finally:
        sys.settrace(before)


def weigh(*values: object) -> int:
    """The characters that the values would take if written out; raises `Exhausted` above `SIZE`."""
    total, stack = 0, list(values)
    while stack:
        value = stack.pop()
        if isinstance(value, (str, bytes)):
            total += len(value) + 2
        elif isinstance(value, Mapping):
            total += 2
            stack.extend(value.keys())
            stack.extend(value.values())
        elif isinstance(value, (list, tuple, set, frozenset)):
            total += 2 * len(value)
            stack.extend(value)
        elif isinstance(value, int):
            total += value.bit_length() // 3
        else:
            total += 2
        if total > SIZE or len(stack) > SIZE:
            raise Exhausted(f"a value in it would take more than {SIZE:,} characters")
    return total


def allow(size: int) -> None:
    """Raises `Exhausted` for a value of more than `SIZE` characters."""
    if size > SIZE:
        raise Exhausted(f"a value in it would take more than {SIZE:,} characters")


def allow_width(*values: object) -> None:
    """Raises `Exhausted` for a number beyond `WIDTH`, where numbers say how wide or how often."""
    for value in values:
        if isinstance(value, int) and abs(value) > WIDTH:
            raise Exhausted(f"it asks for a width or count of {value}; the most is {WIDTH:,}")


def allow_format(text: object, marks: str, arguments: tuple[object, ...]) -> None:
    """Raises `Exhausted` for a format, marked by "%" or "{", that may write much more than its arguments."""
    if isinstance(text, str):
        if _WIDE[marks].search(text):
            raise Exhausted("it formats with a width that is too large or not a constant")
        allow(len(text) + text.count(marks) * (weigh(*arguments) + 10_000))


def pieces_of(values: Iterable[object], separator: str) -> list[str]:
    """Values as texts to join. Raises `Exhausted` once they are too long together."""
    pieces, total = [], 0
    for value in values:
        total += weigh(value) + len(separator)
        allow(total)
        pieces.append(str(value))
    return pieces


def allow_replace(text: object, old: object, new: object) -> None:
    """Raises `Exhausted` where `text` with `new` for `old` would be too long."""
    if isinstance(text, str) and isinstance(old, str) and isinstance(new, str):
        allow(len(text) + (text.count(old) if old else len(text) + 1) * len(new))


def allow_bits(bits: int) -> None:
    """Raises `Exhausted` for a number of more than `BITS` bits."""
    if bits > BITS:
        raise Exhausted(f"it computes a number of more than {BITS:,} bits")
