"""What a mistyped model may have been meant to be: folders near the path, entries of the cache."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from chiasm.errors import UnknownModel
from chiasm.home import expanded

LOOKED_AT = 2000


@contextmanager
def suggesting(model: str | None) -> Iterator[None]:
    """Adds what is near to the message of an unknown model."""
    try:
        yield
    except UnknownModel as e:
        close = near(model or "")
        raise UnknownModel(f"{str(e).rstrip('.')}. {close}" if close else str(e)) from None


def near(name: str) -> str:
    """A sentence of folders with a config.json and entries of the cache that are like a name; empty where none is."""
    known = {folder.name: str(folder) for folder in _beside(expanded(name))}
    known |= _kept()
    close = difflib.get_close_matches(Path(name).name, known, n=3, cutoff=0.5)
    return f"Near it are {', '.join(known[match] for match in close)}." if close else ""


def _beside(path: Path) -> Iterator[Path]:
    """Model folders where the path would be."""
    try:
        with os.scandir(path.parent) as entries:
            folders = [Path(entry.path) for entry in islice(entries, LOOKED_AT) if entry.is_dir()]
    except OSError:
        return
    yield from (folder for folder in sorted(folders) if (folder / "config.json").is_file())


def _kept() -> dict[str, str]:
    from chiasm.weights import cache

    return {entry.name: str(entry.folder) for entry in cache.ls()}
