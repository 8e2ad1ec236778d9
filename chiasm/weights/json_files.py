"""JSON files of model folders, which may come from a stranger: sane, or one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chiasm.errors import BadCheckpoint

JSON_LIMIT = 64 << 20


def read_json(path: Path, limit: int = JSON_LIMIT) -> dict[str, Any]:
    """The JSON object in a file; raises `BadCheckpoint` where it is missing, larger than `limit` bytes, or not one."""
    content = _json(path, limit)
    if not isinstance(content, dict):
        raise BadCheckpoint(f"{path} holds a JSON {type(content).__name__}; an object was expected.")
    return content


def read_objects(path: Path) -> list[dict[str, Any]]:
    """The list of JSON objects in a file; raises `BadCheckpoint` as `read_json`."""
    content = _json(path, JSON_LIMIT)
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise BadCheckpoint(f"{path} is no JSON list of objects, which was expected.")
    return content


def _json(path: Path, limit: int) -> Any:
    try:
        size = path.stat().st_size
        if size > limit:
            raise BadCheckpoint(f"{path} has {size:,} bytes; a JSON file of at most {limit:,} was expected there.")
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as e:
        raise BadCheckpoint(f"{path} cannot be read: {e.strerror}.") from None
    except UnicodeDecodeError:
        raise BadCheckpoint(f"{path} is not JSON: it is not UTF-8 text.") from None
    except json.JSONDecodeError as e:
        raise BadCheckpoint(f"{path} is not valid JSON: line {e.lineno}, column {e.colno}; is it cut short?") from None
    except RecursionError:
        raise BadCheckpoint(f"{path} is not a sane JSON file: it is nested too deeply.") from None
