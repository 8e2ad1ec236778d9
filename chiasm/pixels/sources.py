"""Where encoded pictures come from: a path, bytes, a data: URL. Nothing here blocks, follows a network address or
reads more than it was allowed to."""

from __future__ import annotations

import base64
import binascii
import difflib
import io
import os
import re
import stat
import sys
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from chiasm.errors import BadPicture

Encoded = str | os.PathLike[str] | bytes | bytearray | memoryview

# A pipe or a terminal that takes a file's place between the check and the opening must not make us wait.
if sys.platform == "win32":
    _FLAGS = os.O_RDONLY | os.O_BINARY
else:
    _FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:(?=//)", re.IGNORECASE)
_DATA_URL = re.compile(r"data:([^,;]*)(;[^,;]*)*,", re.IGNORECASE)
_SHOWN = 200


def printable(name: str) -> str:
    """A name that can stand in a message: one line, no control characters, not endless."""
    shown = name if len(name) <= _SHOWN else f"{name[: _SHOWN // 2]}...{name[-_SHOWN // 2 :]}"
    return "".join(c if c.isprintable() else "?" for c in shown)


def describe(source: Encoded) -> str:
    """The name of a source in messages: a path itself; of bytes and data: URLs the kind and length, never content."""
    if isinstance(source, bytes | bytearray | memoryview):
        return f"a picture of {len(source):,} bytes"
    text = os.fsdecode(source)
    if text[:5].lower() == "data:":
        return f"a data: URL of {len(text):,} characters"
    return printable(text)


def identity(source: object) -> Hashable:
    """Equal for sources that are one picture for certain: the same path, bytes that are equal, or one object."""
    return source if isinstance(source, str | bytes | Path) else id(source)


@contextmanager
def opened(source: Encoded, name: str, max_bytes: int) -> Iterator[tuple[BinaryIO, int]]:
    """A seekable file of the encoded bytes, and its length, not above `max_bytes`.

    Raises: BadPicture.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        _check_length(name, len(source), max_bytes)
        yield io.BytesIO(source), len(source)
        return
    text = os.fsdecode(source)
    if text[:5].lower() == "data:":
        data = _from_data_url(text, name, max_bytes)
        yield io.BytesIO(data), len(data)
        return
    if address := _ADDRESS.match(text):
        raise BadPicture(f"{name}: this is a {address[0]} address, and pictures are read from files only; fetch it first.")
    with _open_file(Path(text), name) as file:
        length = os.fstat(file.fileno()).st_size
        _check_length(name, length, max_bytes)
        yield file, length


def _check_length(name: str, length: int, max_bytes: int) -> None:
    if length == 0:
        raise BadPicture(f"{name}: the file is empty, expected a picture; fetch or save it again.")
    if length > max_bytes:
        raise BadPicture(
            f"{name}: {length:,} bytes is above the limit of {max_bytes:,}; save it smaller, or raise Limits.bytes."
        )


def _open_file(path: Path, name: str) -> BinaryIO:
    try:
        _check_regular(path.stat().st_mode, name)
        descriptor = os.open(path, _FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        raise BadPicture(f"{name}: there is no such file{_neighbours(path)}.") from None
    except PermissionError:
        raise BadPicture(f"{name}: this user may not read the file; change its permissions.") from None
    except (OSError, ValueError):
        raise BadPicture(f"{name}: this is not a path that can be opened; give the path of a picture.") from None
    file = os.fdopen(descriptor, "rb")
    try:
        _check_regular(os.fstat(descriptor).st_mode, name)
    except BadPicture:
        file.close()
        raise
    return file


def _check_regular(mode: int, name: str) -> None:
    if stat.S_ISDIR(mode):
        raise BadPicture(f"{name}: this is a folder, expected a picture; name the files in it.")
    if not stat.S_ISREG(mode):
        raise BadPicture(f"{name}: this is a pipe or a device, expected a file; save the picture to a file first.")


def _neighbours(path: Path) -> str:
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry in islice(entries, 10_000)]
    except (OSError, ValueError):
        return f", nor a folder {printable(str(path.parent))}" if path.parent != Path() else ""
    near = difflib.get_close_matches(path.name, names, n=3)
    return f"; near it are {', '.join(printable(n) for n in near)}" if near else "; check the path"


def _from_data_url(text: str, name: str, max_bytes: int) -> bytes:
    head = _DATA_URL.match(text[:1000])
    if head is None or not head[0].lower().endswith(";base64,"):
        raise BadPicture(f"{name}: expected data:image/...;base64,... and found another form; encode the picture as base64.")
    body = text[head.end() :]
    _check_length(name, len(body) * 3 // 4, max_bytes + 3)
    try:
        data = base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadPicture(f"{name}: what follows base64, is not base64; encode the picture again.") from None
    _check_length(name, len(data), max_bytes)
    return data
