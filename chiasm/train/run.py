"""`chiasm train`: a recipe file and overrides in, a model folder out."""

from __future__ import annotations

import json
import runpy
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from chiasm.errors import UserError
from chiasm.spec_json import to_json
from chiasm.train.machine import Machine
from chiasm.train.recipe import Recipe, within
from chiasm.train.recipe import run as run_stages
from chiasm.weights.write import write_json


def run(
    recipe_path: Path,
    overrides: Mapping[str, str],
    out: Path,
    *,
    resume: bool = True,
    device: str = "auto",
    minutes: float | None = None,
) -> Path:
    """Trains what a recipe file describes and returns the folder of the trained model.

    `overrides` map dotted paths to values in JSON, such as `stages.0.minutes` to `10`; then `minutes` are shared out among
    all stages as the recipe shares out its own. The resolved recipe is saved as `out`/recipe.json. A run that is there
    already is resumed, unless its recipe differs or `resume` is false, which raises `UserError`. `device` is as in
    `chiasm.load`.
    """
    machine = Machine.named(device)
    recipe = read(recipe_path)
    for path, value in overrides.items():
        recipe = replaced(recipe, path.split("."), _value(value), path)
    recipe = recipe if minutes is None else within(recipe, minutes)
    resolved = json.loads(json.dumps(to_json(recipe)))
    kept = out / "recipe.json"
    if kept.is_file() and not resume:
        raise UserError(f"{out} holds a run already: name another folder, or resume it")
    if kept.is_file() and json.loads(kept.read_text()) != resolved:
        raise UserError(f"{kept} is of a run with another recipe: name another folder")
    out.mkdir(parents=True, exist_ok=True)
    write_json(kept, resolved)
    return run_stages(recipe, out, machine)


def read(path: Path) -> Recipe:
    """The value named RECIPE of a recipe file. Raises `UserError` for a file without one."""
    if not path.is_file():
        raise UserError(f"there is no recipe {path}: recipes are Python files such as recipes/default.py")
    recipe = runpy.run_path(str(path)).get("RECIPE")
    if not isinstance(recipe, Recipe):
        raise UserError(f"{path} defines no RECIPE, a value of chiasm.train.recipe.Recipe")
    return recipe


def replaced(value: Any, path: Sequence[str], new: Any, whole: str) -> Any:
    """A copy of a frozen value with one field replaced; raises `UserError` naming the field that does not exist."""
    if not path:
        if isinstance(value, float) and isinstance(new, int):
            return float(new)
        if type(new) is not type(value):
            raise UserError(f"{whole}: {new!r} is {type(new).__name__}, {type(value).__name__} is expected")
        return new
    head, rest = path[0], path[1:]
    if is_dataclass(value) and (field := next((f for f in fields(value) if f.name == head), None)):
        old = vars(value)[head]
        # A whole number may stand where a fraction is meant, as in `minutes=4`.
        old = float(old) if field.type == "float" else old
        return replace(value, **{head: replaced(old, rest, new, whole)})  # type: ignore[type-var]
    if isinstance(value, tuple) and head.isdigit() and int(head) < len(value):
        number = int(head)
        return (*value[:number], replaced(value[number], rest, new, whole), *value[number + 1 :])
    if isinstance(value, dict) and head in value:
        return value | {head: replaced(value[head], rest, new, whole)}
    raise UserError(f"{whole}: {type(value).__name__} has no field {head!r}")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
