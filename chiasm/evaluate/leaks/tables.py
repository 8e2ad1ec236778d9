"""Rows of whatever a path names: a table, a folder of tables or of pictures, a benchmark's folder. Nothing that is wrong ends
the reading: it is told, with its place, and what follows is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from chiasm.errors import MissingExtra, UserError
from chiasm.evaluate.benchmarks.rows import Bad, Row, Unusable, paired
from chiasm.evaluate.benchmarks.task import Clip, Task, pictures_of
from chiasm.evaluate.leaks.clips import ENDINGS as FILMS
from chiasm.evaluate.leaks.given import Given, given
from chiasm.evaluate.leaks.texts import Exchange
from chiasm.evaluate.sheets import TABLES, Unread, values
from chiasm.pixels.clips import moves
from chiasm.prompt.messages import Text

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")


def files(path: Path) -> list[Path]:
    """The tables of a path, or its pictures and videos where it has no table, in an order that never changes. Raises
    `UserError` where there is none."""
    if not path.exists():
        raise UserError(f"there is no {path}: name a table ({', '.join(TABLES)}), or a folder of tables, pictures or videos")
    below = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file() and not _hidden(file, path))
    seen = (*ENDINGS, *FILMS)
    found = [file for file in below if file.suffix.lower() in TABLES] or [f for f in below if f.suffix.lower() in seen]
    if not found:
        raise UserError(f"{path} holds no table ({', '.join(TABLES)}) and no picture or video ({', '.join(seen)})")
    return found


def listing(paths: Sequence[Path]) -> str:
    """A digest of the files that are read, with sizes and times, as a later start must find them. Raises `UserError` where
    one is missing."""
    told = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for path in paths for file in files(path)]
    return sha256(repr(told).encode()).hexdigest()


def _hidden(file: Path, above: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(above).parts)


def read(paths: Sequence[Path], pictures: Path | None = None) -> Iterator[Given | Bad]:
    """Everything that stands in several paths, row by row."""
    for path in paths:
        for file in files(path):
            where = str(file.relative_to(path)) if path.is_dir() else file.name
            if file.suffix.lower() in ENDINGS:
                yield Given(where, str(file), (file,), (), (), clips=(file,) if _moves(file) else ())
            elif file.suffix.lower() in FILMS:
                yield Given(where, str(file), (), (), (), clips=(file,))
            else:
                yield from _table(file, pictures)


def _moves(file: Path) -> bool:
    """An animation is a picture by its first frame, and a clip by all of them."""
    return file.suffix.lower() in (".gif", ".webp") and moves(str(file))


def _table(file: Path, pictures: Path | None) -> Iterator[Given | Bad]:
    try:
        for number, found in enumerate(values(file)):
            where = f"{file}, row {number}"
            match found:
                case Mapping():
                    row = Row(found, file.parent, f"{file.name}, row {number}")
                    try:
                        yield replace(given(row, pictures), where=where)
                    except Unusable as why:
                        yield Bad(where, str(why))
                case Unread():
                    yield Bad(where, found.why)
                case _:
                    yield Bad(where, f"{type(found).__name__}, not an object with columns")
    except MissingExtra:
        raise
    except (UserError, OSError, ValueError, RecursionError) as broken:
        yield Bad(str(file), f"the rest of it cannot be read: {' '.join(str(broken).split())[:200]}")


def asked(task: Task, folder: Path, split: str | None, limit: int | None) -> Iterator[Given | Bad]:
    """A benchmark's rows: pictures as it shows them, videos whole, texts by their columns, its prompt's words where no column
    is known."""
    for one in paired(task, folder, split, None, limit):
        if isinstance(one, Bad):
            yield one
            continue
        row, item = one
        clips = tuple(dict.fromkeys(Path(part.video) for part in item.parts if isinstance(part, Clip)))
        shown = tuple(pictures_of(item))
        try:
            found = given(Row({k: v for k, v in row.values.items() if not isinstance(v, bytes)}, row.folder, row.where))
            exchanges, others = found.exchanges, found.others
        except Unusable:
            exchanges, others = (), ()
        if not exchanges:
            exchanges = (Exchange("".join(part.text for part in item.parts if isinstance(part, Text)), ()),)
        yield Given(item.id, row.where, shown, exchanges, others, clips=clips)
