"""Where Chiasm keeps what it fetched or made."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from chiasm.errors import UserError


def home() -> Path:
    """The root of the cache: `CHIASM_HOME`, else `chiasm` in the user's cache folder of this platform. Raises `UserError` where
    the system knows no such folder."""
    if chosen := os.environ.get("CHIASM_HOME"):
        return expanded(chosen).absolute()
    try:
        return _usual()
    except RuntimeError:
        raise UserError("This user has no home folder to keep anything in: set CHIASM_HOME to a folder.") from None


def expanded(path: str) -> Path:
    """A path whose `~` is a home folder, where the system knows whose; else as it stands."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - pathlib's own raises for a user who has none.


def _usual() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "chiasm"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "chiasm"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chiasm"


def offline() -> bool:
    """Whether `CHIASM_OFFLINE` forbids to fetch."""
    return os.environ.get("CHIASM_OFFLINE", "").lower() not in ("", "0", "false", "no")
