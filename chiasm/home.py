"""Where Chiasm keeps what it fetched or made."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def home() -> Path:
    """The root of the cache: `CHIASM_HOME`, else `chiasm` in the user's cache folder of this platform."""
    if chosen := os.environ.get("CHIASM_HOME"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "chiasm"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "chiasm"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chiasm"
