"""The one reader of tables, whoever made them: JSON lines, JSON, CSV, TSV or parquet, row by row as the file has it."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chiasm.errors import UserError, need

TABLES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
SEPARATORS = ",;\t"
"""What may stand between the cells of a CSV; spreadsheets write semicolons where the decimal point is a comma."""
ROWS_AT_ONCE = 64
LONGEST_NUMBER = 64
"""A picture's column of a TSV that is not longer than this names another row whose picture it shares."""


@dataclass(frozen=True)
class Unread:
    """A line that cannot be read, in the place of its row: which, and why. Those after it can."""

    why: str


def values(file: Path, key: str | None = None) -> Iterator[Any]:
    """The rows of a file by its ending: objects with columns, `Unread`, or whatever else JSON has there. Of a JSON object those
    under a key; else its longest list of objects, its values where all are objects, or itself. Raises `UserError` for a file
    that is not what its ending says, and where it breaks off."""
    try:
        match file.suffix.lower():
            case ".parquet":
                yield from _parquet(file)
            case ".csv":
                yield from _cells(file, SEPARATORS)
            case ".tsv":
                yield from _tsv(file)
            case ".json":
                yield from _json(file, key)
            case ".jsonl":
                yield from _lines(file)
            case other:
                end = other or "a file without an ending"
                raise UserError(f"{file}: rows are read from {', '.join(TABLES)}, not from {end}")
    except UnicodeDecodeError as broken:
        raise UserError(f"{file} is no text in UTF-8 (byte {broken.start}): save it so, or name another file") from broken
    except (csv.Error, OSError) as broken:
        raise UserError(f"{file} cannot be read to its end: {broken}") from broken


def _parquet(file: Path) -> Iterator[dict[str, Any]]:
    parquet = need("pyarrow.parquet", extra="eval")
    try:
        opened = parquet.ParquetFile(file)
    except (OSError, ValueError) as broken:
        raise UserError(f"{file} is not a whole parquet file: fetch it again ({broken})") from broken
    batches = opened.iter_batches(ROWS_AT_ONCE)
    while True:
        try:
            batch = next(batches, None)
        except (OSError, ValueError, NotImplementedError) as broken:
            raise UserError(f"{file} is broken further on: fetch it again ({broken})") from broken
        if batch is None:
            return
        yield from batch.to_pylist()


def _tsv(file: Path) -> Iterator[dict[str, str]]:
    """VLMEvalKit's tables, in which one row may show the picture of another."""
    numbers = {row["image"] for row in _cells(file, "\t") if len(row.get("image", "")) <= LONGEST_NUMBER and "image" in row}
    pictures = {row["index"]: row["image"] for row in _cells(file, "\t") if row.get("index") in numbers} if numbers else {}
    for row in _cells(file, "\t"):
        yield {**row, "image": pictures[row["image"]]} if row.get("image") in pictures else row


def _cells(file: Path, separators: str) -> Iterator[dict[str, str]]:
    """Empty cells are columns that a row does not have."""
    csv.field_size_limit(sys.maxsize)
    with file.open(encoding="utf-8-sig", newline="") as opened:
        heading = opened.readline()
        opened.seek(0)
        for row in csv.DictReader(opened, delimiter=max(separators, key=heading.count)):
            yield {name: cell for name, cell in row.items() if name is not None and cell not in ("", None)}


def _json(file: Path, key: str | None) -> Iterator[Any]:
    try:
        found = _parsed(file.read_bytes())
    except ValueError as broken:
        # Some files of lines end in .json, POPE's own for example.
        if isinstance(next(_lines(file), None), Unread):
            raise UserError(f"{file} {broken}") from broken
        return _lines(file)
    if key is not None and (not isinstance(found, Mapping) or key not in found):
        raise UserError(f"{file} has no {key!r}: it is not what its name says")
    return iter(found[key] if key is not None else _listed(found))


def _listed(found: Any) -> list[Any]:
    if not isinstance(found, Mapping):
        return found if isinstance(found, list) else [found]
    lists = [value for value in found.values() if isinstance(value, list) and value and all(map(_is_row, value))]
    if lists:
        return max(lists, key=len)
    return list(found.values()) if all(map(_is_row, found.values())) else [found]


def _is_row(value: Any) -> bool:
    return isinstance(value, Mapping)


def _lines(file: Path) -> Iterator[Any]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    yield _parsed(line)
                except ValueError as broken:
                    yield Unread(f"line {number} {broken}")


def _parsed(written: bytes) -> Any:
    """What is written in JSON. Raises `ValueError` that says why it is none."""
    try:
        return json.loads(written.decode("utf-8-sig"))
    except UnicodeDecodeError as broken:
        raise ValueError(f"is no text in UTF-8 (byte {broken.start}): save it so, or name another file") from broken
    except RecursionError:
        raise ValueError("is not JSON that can be read: it is nested too deeply") from None
    except json.JSONDecodeError as broken:
        raise ValueError(f"is not JSON: {broken.msg} (character {broken.pos + 1:,})") from broken
    except ValueError as broken:
        raise ValueError(f"is not JSON that can be read: {broken}") from broken
