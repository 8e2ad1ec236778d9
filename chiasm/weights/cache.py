"""What was fetched or converted once and is kept: folders with a manifest, made whole or not at all.

`CHIASM_HOME` says where (by default the platform's own cache folder of the user), `CHIASM_OFFLINE=1` forbids to fetch.
An entry is built in `partial/` under a lock, described by its manifest and renamed into `entries/`, so two processes
never build the same thing and a half-built one is never used; what an interrupted build left is there to resume from.
"""

from __future__ import annotations

import logging
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from chiasm.errors import BadCheckpoint, UserError
from chiasm.home import home as home
from chiasm.home import offline as offline
from chiasm.weights.files import sha256
from chiasm.weights.json_files import read_json
from chiasm.weights.write import MANIFEST, files_below, write_manifest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileFacts:
    """What the manifest says of one file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Entry:
    """One thing in the cache: where it came from, when, and the files that it must have."""

    name: str
    folder: Path
    source: str
    created: str
    files: Mapping[str, FileFacts]

    @property
    def bytes(self) -> int:
        """The bytes of all files together."""
        return sum(file.bytes for file in self.files.values())


def place(name: str) -> Path:
    """The folder that an entry of this name has, or would have."""
    return home() / "entries" / _checked(name)


def ls() -> list[Entry]:
    """Every entry, by name; damaged ones are left out with a warning."""
    found = []
    for folder in sorted((home() / "entries").glob("*/")):
        try:
            known = entry(folder.name)
        except BadCheckpoint as e:
            log.warning("%s", e)
        else:
            found += [known] if known else []
    return found


def incomplete() -> list[Path]:
    """What interrupted builds left; `rm` takes these names too."""
    return sorted((home() / "partial").glob("*/"))


def rm(name: str) -> int:
    """Removes an entry, and what interrupted builds left; returns the bytes freed. Raises `UserError` if none."""
    folders = [folder for folder in (place(name), _partial(name)) if folder.is_dir()]
    if not folders:
        known = ", ".join(sorted({e.name for e in ls()} | {p.name for p in incomplete()})) or "it is empty"
        raise UserError(f"The cache {home()} has no entry {name!r} ({known}).")
    with _locked(name):
        freed = sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())
        for folder in folders:
            try:
                shutil.rmtree(folder)
            except FileNotFoundError:
                continue
            except OSError as e:
                raise UserError(f"{folder} cannot be removed: {e.strerror}.") from None
    return freed


def entry(name: str) -> Entry | None:
    """The entry of this name, None where there is none; raises `BadCheckpoint` where its files are not all there."""
    folder = place(name)
    if not folder.is_dir():
        return None
    known = _read(name, folder)
    for file, facts in known.files.items():
        there = (folder / file).stat().st_size if (folder / file).is_file() else 0
        if there != facts.bytes:
            raise _damaged(name, folder / file, f"it has {there:,} bytes instead of {facts.bytes:,}")
    return known


def verify(known: Entry) -> None:
    """Reads every file of an entry again; raises `BadCheckpoint` naming the first that is not what was stored."""
    strays = {file.relative_to(known.folder).as_posix() for file in files_below(known.folder)} - known.files.keys()
    if strays:
        raise _damaged(known.name, known.folder / min(strays), "nothing announces it")
    for file, facts in known.files.items():
        if not (known.folder / file).is_file() or sha256(known.folder / file) != facts.sha256:
            raise _damaged(known.name, known.folder / file, "its SHA-256 differs")


def usable(name: str) -> Entry | None:
    """The entry if it can be used; a damaged one counts as none unless `CHIASM_OFFLINE` forbids to make it anew."""
    try:
        return entry(name)
    except BadCheckpoint as e:
        if offline():
            raise
        log.warning("%s It is made anew.", e)
        return None


def build(name: str, fill: Callable[[Path], str]) -> Entry:
    """The entry of this name, filled by `fill(folder)` if it is not there; a second builder waits for the first.

    `fill` may find in its folder what an interrupted build left, and returns the exact source of what it put there.
    What it raises is passed on, and no entry is made.
    """
    with _locked(name):
        if known := usable(name):
            return known
        partial = _partial(name)
        partial.mkdir(parents=True, exist_ok=True)
        for torn in partial.rglob(".*.part"):
            torn.unlink()
        try:
            source = fill(partial)
        finally:
            if not any(partial.iterdir()):
                partial.rmdir()
        write_manifest(partial, {"source": source, "created": datetime.now(UTC).isoformat(timespec="seconds")})
        place(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(place(name), ignore_errors=True)
        partial.replace(place(name))
        return _read(name, place(name))


def _partial(name: str) -> Path:
    return home() / "partial" / _checked(name)


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise UserError(f"{name!r} is not the name of a cache entry: letters, digits, '.', '_' and '-' make one.")
    return name


def _read(name: str, folder: Path) -> Entry:
    match read_json(folder / MANIFEST):
        case {"source": str(source), "created": str(created), "files": dict(files)}:
            try:
                facts = {file: FileFacts(**stated) for file, stated in files.items()}
            except TypeError:
                raise _damaged(name, folder / MANIFEST, "its list of files is broken") from None
            return Entry(name, folder, source, created, facts)
    raise _damaged(name, folder / MANIFEST, "it lacks source, created or files")


def _damaged(name: str, file: Path, what: str) -> BadCheckpoint:
    return BadCheckpoint(f"The cache entry {name!r} is damaged: {file}: {what}. Remove it: chiasm cache rm {name}")


@contextmanager
def _locked(name: str) -> Iterator[None]:
    path = home() / "locks" / f"{_checked(name)}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("a+")
    except OSError as e:
        raise UserError(f"The cache {home()} cannot be written: {e.strerror}. CHIASM_HOME moves it.") from None
    with handle:
        _lock(handle, name)
        yield


def _lock(handle: IO[str], name: str) -> None:
    """Waits for the file's lock; the system releases it when the handle is closed, even by a crash."""
    if sys.platform == "win32":
        import msvcrt

        while True:
            try:
                msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK, 1)
                return
            except OSError:
                log.info("Waiting for another process that builds %s.", name)
    else:
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("Waiting for another process that builds %s.", name)
            fcntl.flock(handle, fcntl.LOCK_EX)
