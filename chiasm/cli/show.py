"""How verbs write: aligned columns for people, JSON for machines, numbers with their units."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

UNITS = ("", "k", "M", "G", "T", "P", "E")


def as_json(value: Any) -> None:
    """One JSON value on standard output; in escapes where the output cannot hold every character."""
    utf = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    print(json.dumps(value, ensure_ascii=not utf))


def columns(rows: Iterable[Sequence[str]], right: frozenset[int] = frozenset()) -> str:
    """Rows in columns as wide as they need; those numbered in `right` stand on the right."""
    table = [list(row) for row in rows]
    if not table:
        return ""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = (
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    )
    return "\n".join(lines)


def scaled(number: float, unit: str) -> str:
    """Three figures with a decimal prefix: 1.23 TFLOP, 513 MB."""
    step = 0
    while abs(number) >= 999.5 and step < len(UNITS) - 1:
        number, step = number / 1000, step + 1
    digits = 0 if step == 0 else max(0, 2 - len(str(int(abs(number)))) + 1)
    return f"{number:.{digits}f} {UNITS[step]}{unit}"


def counted(number: int, one: str, several: str | None = None) -> str:
    """1 picture, 2 pictures."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"
