"""A person's own table, read: which file it is, its columns by the names that are known, a CSV with the cells that it has."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from chiasm.errors import UserError
from chiasm.evaluate.benchmarks.rows import Row, readable, rows_of

KNOWN = frozenset(("question", "answer", "answers", "image", "images", "picture", "id", "choices", "box", "boxes"))
TABLES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
SEPARATORS = ",;\t"
"""What may stand between the cells of a CSV; spreadsheets write semicolons where the decimal point is a comma."""


def table(path: Path) -> Path:
    """The table that a path names, or the only one in a folder. Raises `UserError` where there is none or more than one."""
    if not path.exists():
        raise UserError(f"there is no {path}: name a table ({', '.join(TABLES)}) or a folder with one")
    if path.is_file():
        if path.suffix not in TABLES:
            raise UserError(f"{path} is no table: {', '.join(TABLES)} are read")
        return path
    found = sorted(file for file in path.iterdir() if file.suffix in TABLES)
    if len(found) != 1:
        many = ", ".join(file.name for file in found) or "none"
        raise UserError(f"{path} should hold one table ({', '.join(TABLES)}) and holds {many}: name the file")
    return found[0]


def rows(file: Path) -> Iterator[Row]:
    """The rows of a table, its known columns by their plain names."""
    found = rows_of_csv(file) if file.suffix == ".csv" else rows_of(file, file.parent)
    return (replace(row, values={_column(name): value for name, value in row.values.items()}) for row in found)


def _column(name: str) -> str:
    """A column's name as it is known here, however it is capitalised."""
    plain = name.strip().casefold()
    return plain if plain in KNOWN else name


def rows_of_csv(file: Path) -> Iterator[Row]:
    """Empty cells are columns that a row does not have."""
    csv.field_size_limit(sys.maxsize)
    for number, values in enumerate(readable(_cells(file), file)):
        full = {name: cell for name, cell in values.items() if name is not None and cell not in ("", None)}
        yield Row(full, file.parent, f"{file.name}, row {number}")


def _cells(file: Path) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        heading = opened.readline()
        opened.seek(0)
        yield from csv.DictReader(opened, delimiter=max(SEPARATORS, key=heading.count))
