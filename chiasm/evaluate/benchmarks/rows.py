"""Rows of a data set as it is published, read from a folder."""

from __future__ import annotations

import base64
import errno
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from chiasm.errors import BadPicture, Offline, UserError
from chiasm.evaluate.benchmarks.task import Item, Task
from chiasm.evaluate.sheets import Unread, values
from chiasm.pixels.open import header
from chiasm.prompt.messages import Image
from chiasm.weights.cache import offline
from chiasm.weights.hub import data_set

LONGEST_NAME = 1024
"""Of a file with its folders; what is longer is a picture in base 64."""


class Unusable(Exception):
    """A row that makes no question; the message says why."""


@dataclass(frozen=True)
class Row:
    """One row, where it stands, and the folder that its files are named from."""

    values: Mapping[str, Any]
    folder: Path
    where: str

    def __getitem__(self, name: str) -> Any:
        if name not in self.values:
            raise UserError(f"{self.where} has no column {name!r}: it has {', '.join(self.values)}")
        return self.values[name]

    def get(self, *names: str) -> Any:
        """The first column of several that is there, or `None`."""
        return next((self.values[name] for name in names if name in self.values), None)

    def text(self, name: str) -> str:
        """A column of text. Raises `Unusable` for anything else."""
        found = self[name]
        if not isinstance(found, str):
            raise Unusable(f"{name} is {found!r}, not text")
        return found

    def texts(self, name: str) -> list[str]:
        """A column of texts, or of a single one."""
        found = self[name]
        several = [found] if isinstance(found, str) else found
        if not isinstance(several, list) or not all(isinstance(one, str) for one in several):
            raise Unusable(f"{name} is {found!r}, not texts")
        return several

    def picture(self, name: str = "image") -> Image:
        """A column that holds a picture: its bytes (in the hub's form or in base 64), or the name of a file in the folder.
        Raises `Unusable` where there is none."""
        found = self[name]
        if isinstance(found, dict):
            found = found.get("bytes") or found.get("path")
        if isinstance(found, bytes) and found:
            return Image(found)
        if isinstance(found, str) and found:
            file = named(self.folder, found)
            if file is not None and file.is_file():
                return Image(file)
            try:
                return Image(base64.b64decode(found, validate=True))
            except ValueError:
                raise Unusable(f"{name} names {found[:80]!r}, which is no file in {self.folder.resolve()}") from None
        if found is None or not found:
            raise Unusable(f"{name} is empty: there is no picture")
        raise Unusable(f"{name} is {str(found)[:80]!r}, which is no picture")


def named(folder: Path, cell: str) -> Path | None:
    """What a cell names in a folder, if it is there; a text that is too long for a name names nothing."""
    try:
        return folder / cell if len(cell) < LONGEST_NAME and (folder / cell).exists() else None
    except OSError as why:
        if why.errno != errno.ENAMETOOLONG:
            raise
        return None


Rows = Callable[[Row], Iterator[Row]]


def size_of(image: Image) -> list[int]:
    """Width and height in upright pixels, from the picture's header. Raises `Unusable` where it cannot be opened."""
    try:
        read = header(image.picture)  # type: ignore[arg-type]
    except BadPicture as why:
        raise Unusable(str(why)) from why
    return [read.width, read.height]


def _itself(row: Row) -> Iterator[Row]:
    yield row


@dataclass(frozen=True)
class Layout:
    """Files of rows in a folder, as patterns in which {split} stands for a split; `rows` makes of one row those that a task
    reads. `repo` is the data set of the hub that has this layout; `key` names the rows in a JSON file that holds more,
    `split` is what the task's first split is called in it, where it has another name."""

    files: tuple[str, ...]
    rows: Rows = _itself
    repo: str | None = None
    key: str | None = None
    split: str | None = None


def hub(repo: str, config: str | None = None, rows: Rows = _itself) -> Layout:
    """The hub's own way: parquet by split, in a folder named after the configuration where there are several."""
    places = ("data/", "") if config is None else (f"{config}/", f"data/{config}/", f"{config}-")
    return Layout(tuple(f"{place}{{split}}{end}.parquet" for place in places for end in ("-*", "")), rows, repo)


def find(task: Task, folder: Path, split: str | None = None) -> tuple[Layout, list[Path]]:
    """The layout of a folder and its files of a split. Raises `UserError` where no layout of the task fits."""
    if not folder.exists():
        raise UserError(f"{folder} is not there: {task.name} is read from a folder in its published layout")
    patterns = [(layout, name) for layout in task.layouts for name in names(task, layout, split)]
    for layout, pattern in patterns:
        files = sorted(folder.glob(pattern))
        if files:
            return layout, files
    expected = ", ".join(pattern for _, pattern in patterns)
    raise UserError(f"{folder} holds no rows of {task.name}: one of these was expected: {expected}")


def names(task: Task, layout: Layout, split: str | None = None) -> list[str]:
    """The patterns of a layout's files for a split, by default the task's first."""
    return [pattern.format(split=split or layout.split or task.splits[0]) for pattern in layout.files]


def fetch(task: Task, split: str | None = None) -> Path:
    """A task's files from the model hub, into the hub's own cache. Raises `Offline` where nothing may be fetched, `UserError`
    for a task that is on no hub."""
    published = next((layout for layout in task.layouts if layout.repo), None)
    if published is None or published.repo is None:
        raise UserError(f"{task.name} is on no hub: get its data and name the folder")
    if offline():
        raise Offline(f"{published.repo} must be fetched and CHIASM_OFFLINE is set: name a folder that holds it")
    return data_set(published.repo, names(task, published, split))


@dataclass(frozen=True)
class Bad:
    """A row that makes no question, with where it stands and why: counted and named, not asked."""

    where: str
    why: str


def read(
    task: Task, folder: Path, split: str | None = None, prompt: str | None = None, limit: int | None = None
) -> Iterator[Item | Bad]:
    """The items of a task in the order of its files, at most `limit` rows. Raises `UserError` for a folder in no layout of the
    task, and for rows without a column that it needs."""
    for found in paired(task, folder, split, prompt, limit):
        yield found if isinstance(found, Bad) else found[1]


def paired(
    task: Task, folder: Path, split: str | None = None, prompt: str | None = None, limit: int | None = None
) -> Iterator[tuple[Row, Item] | Bad]:
    """As `read`, with the row that each item was made of."""
    layout, files = find(task, folder, split)
    found = (one for file in files for row in rows_of(file, folder, layout.key) for one in _made(layout, row))
    for row in islice(found, limit):
        yield row if isinstance(row, Bad) else _paired(task, row, prompt)


ANOTHER_FORM = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What comes of columns that hold something else than is published."""


def _made(layout: Layout, row: Row) -> Iterator[Row | Bad]:
    try:
        yield from layout.rows(row)
    except Unusable as why:
        yield Bad(row.where, str(why))
    except ANOTHER_FORM as why:
        yield _strange(row, why)


def _strange(row: Row, why: Exception) -> Bad:
    return Bad(row.where, f"a column holds something else than is published ({type(why).__name__}: {why})")


def _paired(task: Task, row: Row, prompt: str | None) -> tuple[Row, Item] | Bad:
    """A row with its question; it makes none where no rule can read its truth, which an empty reply shows."""
    try:
        item = task.item(row, prompt)
        task.judge(item, "")
    except Unusable as why:
        return Bad(row.where, str(why))
    except ANOTHER_FORM as why:
        return _strange(row, why)
    return row, item


def rows_of(file: Path, folder: Path, key: str | None = None) -> Iterator[Row]:
    """The rows of one file, by its ending; of a JSON object those under a key. Raises `UserError` for a file, or a line of it,
    that cannot be read."""
    for number, found in enumerate(values(file, key)):
        if isinstance(found, Unread):
            raise UserError(f"{file}, {found.why}")
        yield Row(found if isinstance(found, dict) else {}, folder, f"{file.name}, row {number}")


def joined(file: Path, folder: Path, key: str, column: str) -> dict[Any, Row]:
    """The rows of a second JSON file by one of their columns, for layouts that keep answers apart."""
    if not file.is_file():
        raise UserError(f"{file} is not there: answers are read from it")
    return {row[column]: row for row in rows_of(file, folder, key)}
