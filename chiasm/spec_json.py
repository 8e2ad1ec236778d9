"""Any value of `spec` as JSON and back: how a composed model describes itself in its own folder."""

from __future__ import annotations

import dataclasses
from typing import Any

from chiasm import spec
from chiasm.errors import BadConfig

KINDS = {name: kind for name, kind in vars(spec).items() if dataclasses.is_dataclass(kind) and isinstance(kind, type)}


def to_json(value: Any) -> Any:
    """A frozen spec as plain JSON values; each object names its kind under "is"."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"is": type(value).__name__, **fields}
    return [to_json(item) for item in value] if isinstance(value, tuple) else value


def from_json(data: Any, path: str = "spec") -> Any:
    """The inverse of `to_json`. Raises `BadConfig` for an unknown kind or field, naming where it stands."""
    if isinstance(data, list):
        return tuple(from_json(item, f"{path}[{number}]") for number, item in enumerate(data))
    if not isinstance(data, dict):
        return data
    kind = KINDS.get(data.get("is", ""))
    if kind is None:
        raise BadConfig(f"{path}: {data.get('is')!r} is no kind of part; known are {', '.join(sorted(KINDS))}")
    known = {f.name for f in dataclasses.fields(kind)}
    unknown = sorted(data.keys() - known - {"is"})
    if unknown:
        raise BadConfig(f"{path}: {kind.__name__} has no field {unknown[0]!r}")
    fields = {name: from_json(value, f"{path}.{name}") for name, value in data.items() if name != "is"}
    try:
        return kind(**fields)
    except TypeError:
        missing = [f.name for f in dataclasses.fields(kind) if f.name not in fields and f.default is dataclasses.MISSING]
        raise BadConfig(f"{path}: {kind.__name__} lacks {', '.join(missing)}") from None
