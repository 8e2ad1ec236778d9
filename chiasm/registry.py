"""Finds families and layouts: those of the package, and those of a user's own folder.

A user's folder is named by CHIASM_FAMILIES. A Python file in it is a family file like the package's own; a JSON file is a
published size under a new name: {"name": ..., "like": "llava-1.5", "changes": {"decoder.depth": 4, ...}}.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import json
import os
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from chiasm.errors import BadConfig, UnknownModel, UserError
from chiasm.layout import Layout
from chiasm.spec import Family, override


def families() -> dict[str, Family]:
    """Every family by name, the package's first."""
    return _scan(os.environ.get("CHIASM_FAMILIES"))[0]


def layouts() -> dict[str, Layout]:
    """Every layout by `model_type`."""
    return _scan(os.environ.get("CHIASM_FAMILIES"))[1]


def family(name: str) -> Family:
    """One family; raises `UnknownModel` with the nearest names."""
    known = families()
    if name not in known:
        raise UnknownModel(f"no family is called {name!r}; {nearest(name, known)}")
    return known[name]


def layout(model_type: str, where: str, config: Mapping[str, Any] | None = None) -> Layout:
    """The reader of a `model_type`; raises `BadConfig` with the nearest ones that are known, and with what of `config` is read
    and what is missing."""
    known = layouts()
    if model_type not in known:
        said = f"{where}: model_type {model_type!r} is not one that Chiasm reads; {nearest(model_type, known)}"
        raise BadConfig(f"{said}; {_missing(config)}" if config is not None else said)
    return known[model_type]


def _missing(config: Mapping[str, Any]) -> str:
    """What there is of a model that nothing reads whole, and what would have to be written."""
    classes = config.get("architectures") or ()
    same = [family.name for family in families().values() if family.reference in classes]
    found = [f"its class is that of {', '.join(same)}"] if same else []
    parts = {name: part.get("model_type") for name, part in config.items() if isinstance(part, Mapping)}
    told = {name: kind for name, kind in parts.items() if isinstance(kind, str)}
    for does, read in (("is read", True), ("is not", False)):
        found += [f"its {name} ({kind}) {does}" for name, kind in told.items() if (kind in layouts()) == read]
    return "; ".join(
        [*found, "missing is a layout for it: Python files in the folder that CHIASM_FAMILIES names may bring one"]
    )


def signed(fields: Iterable[str]) -> str | None:
    """The layout whose signs are all among a config's fields, if any: some configs name no `model_type`, some another's."""
    here = set(fields)
    return next((name for name, one in layouts().items() if one.signs and here.issuperset(one.signs)), None)


def nearest(name: str, known: dict[str, Family] | dict[str, Layout]) -> str:
    """For a sentence about an unknown name: the ones most like it, or all that are known."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f"the nearest are {', '.join(close)}" if close else f"none of {len(known)} is like it: chiasm families lists them"


@cache
def _scan(folder: str | None) -> tuple[dict[str, Family], dict[str, Layout]]:
    found: dict[str, Family] = {}
    readers: dict[str, Layout] = {}
    for module in (*_own("layouts"), *_own("families"), *(_users(Path(folder)) if folder else ())):
        # A file holds families, layouts or both.
        found.update({f.name: f for f in vars(module).get("FAMILIES", ())})
        readers.update({r.model_type: r for r in vars(module).get("LAYOUTS", ())})
    if folder:
        for path in sorted(Path(folder).glob("*.json")):
            new = _from_json(path, found)
            found[new.name] = new
    return found, readers


def _own(room: str) -> Iterator[ModuleType]:
    package = importlib.import_module(f"chiasm.{room}")
    for info in pkgutil.iter_modules(package.__path__):
        yield importlib.import_module(f"{package.__name__}.{info.name}")


def _users(folder: Path) -> Iterator[ModuleType]:
    if not folder.is_dir():
        raise UserError(f"CHIASM_FAMILIES names {str(folder)!r}, which is no folder")
    for path in sorted(folder.glob("*.py")):
        found = importlib.util.spec_from_file_location(f"chiasm_user_{path.stem}", path)
        assert found is not None and found.loader is not None
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        yield module


def _from_json(path: Path, known: dict[str, Family]) -> Family:
    try:
        data = json.loads(path.read_text())
        like, name, changes = known[data["like"]], data["name"], data["changes"]
        return replace(like, name=name, title=name, model=override(like.model, changes), sizes={"own": {}}, ran=False)
    except (ValueError, KeyError) as e:
        expected = 'an object with "name", "like" (a known family) and "changes" (fields by dotted path)'
        raise BadConfig(f"{path}: not a family: {e.args[0]!r}; expected is {expected}") from None
