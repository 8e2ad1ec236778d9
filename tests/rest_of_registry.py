"""Run on a package from which a family was taken: every family that is left has its sizes, its layout, and reads its published
configs. `python rest_of_registry.py CONFIGS` prints the names of the families, then what went wrong; no torch is needed.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from chiasm import registry
from chiasm.errors import ChiasmError
from chiasm.layout import Config
from chiasm.spec import Model


def read(fixture: Path) -> Any:
    """What the layouts that are left make of a published config."""
    config = json.loads(fixture.read_text())
    beside = fixture.with_suffix(".preprocessor.json")
    pixels = Config(json.loads(beside.read_text()) if beside.exists() else {}, beside.name, registry.layout)
    kind = registry.signed(config) or config["model_type"]
    return registry.layout(kind, fixture.name).read(Config(config, fixture.name, registry.layout, pixels)).spec


def wrong(name: str, size: str, model: Model, configs: Path) -> str | None:
    """Why a published size does not read to its own spec, or to the one part that it is made of."""
    fixture = configs / f"{name}-{size}.json"
    if not fixture.exists() or isinstance(json.loads(fixture.read_text()).get("vocabulary_map", {}).get("of_codes"), dict):
        return None
    try:
        spec = read(fixture)
    except ChiasmError as e:
        return f"{name} {size}: {e}"
    parts = [vars(model)[field.name] for field in dataclasses.fields(model)]
    return None if spec == model or spec in parts else f"{name} {size} reads to another spec"


def main(configs: Path) -> int:
    families = registry.families()
    print(" ".join(families))
    found = [wrong(name, size, family.at(size), configs) for name, family in families.items() for size in family.sizes]
    found += [f"{name} has no layout {f.layout!r}" for name, f in families.items() if f.layout not in registry.layouts()]
    problems = [problem for problem in found if problem is not None]
    print("\n".join(problems))
    return len(problems)


if __name__ == "__main__":
    sys.exit(min(1, main(Path(sys.argv[1]))))
