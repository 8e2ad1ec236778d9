"""A person's own table: which file it is, and its columns by the names that are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from chiasm.errors import UserError
from chiasm.evaluate.benchmarks.rows import Row, rows_of
from chiasm.evaluate.sheets import TABLES

KNOWN = frozenset(("question", "answer", "answers", "image", "images", "picture", "id", "choices", "box", "boxes"))


def table(path: Path) -> Path:
    """The table that a path names, or the only one in a folder. Raises `UserError` where there is none or more than one."""
    if not path.exists():
        raise UserError(f"there is no {path}: name a table ({', '.join(TABLES)}) or a folder with one")
    if path.is_file():
        if path.suffix.lower() not in TABLES:
            raise UserError(f"{path} is no table: {', '.join(TABLES)} are read")
        return path
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in TABLES)
    if len(found) != 1:
        many = ", ".join(file.name for file in found) or "none"
        raise UserError(f"{path} should hold one table ({', '.join(TABLES)}) and holds {many}: name the file")
    return found[0]


def rows(file: Path) -> Iterator[Row]:
    """The rows of a table, its known columns by their plain names."""
    for row in rows_of(file, file.parent):
        yield replace(row, values={_column(name): value for name, value in row.values.items()})


def _column(name: str) -> str:
    """A column's name as it is known here, however it is capitalised."""
    plain = name.strip().casefold()
    return plain if plain in KNOWN else name
