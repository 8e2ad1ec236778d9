"""Folders are written as the hub, and the authors of benchmarks, lay them."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow
from PIL import Image as Pictures
from pyarrow import parquet


def png(width: int = 64, height: int = 48) -> bytes:
    file = io.BytesIO()
    Pictures.new("RGB", (width, height), (200, 30, 30)).save(file, "PNG")
    return file.getvalue()


SHOWN = {"bytes": png(), "path": None}
"""A picture as the hub stores it."""


Write = Callable[[Path], None]
Rows = list[dict[str, Any]]


def hub(name: str, rows: Rows) -> Write:
    def write(folder: Path) -> None:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pyarrow.Table.from_pylist(rows), file)

    return write


def tsv(name: str, rows: Rows) -> Write:
    def write(folder: Path) -> None:
        with (folder / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)), delimiter="\t")
            writer.writeheader()
            writer.writerows(rows)

    return write


def files(contents: Mapping[str, Any]) -> Write:
    """JSON for names that end so, lines for .jsonl, bytes as they are."""

    def write(folder: Path) -> None:
        for name, content in contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            match content:
                case bytes():
                    (folder / name).write_bytes(content)
                case str():
                    (folder / name).write_text(content)
                case list() if name.endswith(".jsonl"):
                    (folder / name).write_text("\n".join(map(json.dumps, content)))
                case _:
                    (folder / name).write_text(json.dumps(content))

    return write


def both(*several: Write) -> Write:
    def write(folder: Path) -> None:
        for one in several:
            one(folder)

    return write


@dataclass(frozen=True)
class Example:
    """A folder with one usable question first, what is asked there, a right reply and a wrong one."""

    write: Write
    asked: str
    right: str
    wrong: str
    split: str | None = None
    parsed: Any = field(default=...)
    prompt: str | None = None
    items: int = 1


SHORT = "\nAnswer the question using a single word or phrase."
LETTER = "\nAnswer with the option's letter from the given choices directly."
