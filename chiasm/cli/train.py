"""`chiasm train`: runs a recipe."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from chiasm.errors import UserError

app = App(
    name="train",
    help="Train as a recipe says; what was interrupted goes on where it stopped.",
    usage="Usage: chiasm train [OPTIONS] RECIPE [KEY=VALUE...]",
    help_epilogue="""Example:
  chiasm train recipes/default.py --out runs/default
  chiasm train recipes/default.py stages.0.minutes=10 --out runs/short
  chiasm train recipes/default.py --minutes 15 --device cuda""",
)


@app.default
def run(
    recipe: Annotated[Path, Parameter(help="A Python file that holds the run as a value.")],
    /,
    *changes: Annotated[str, Parameter(name="KEY=VALUE", help="Fields of the recipe to change.")],
    out: Annotated[Path, Parameter(help="The run's folder.")] = Path("runs/train"),
    resume: Annotated[bool, Parameter(negative="--no-resume", help="Go on from its newest checkpoint.")] = True,
    device: Annotated[str, Parameter(help="auto (a GPU where there is one), cpu, cuda, cuda:1, ...")] = "auto",
    minutes: Annotated[float | None, Parameter(help="In all, shared out among the stages as the recipe does.")] = None,
) -> int:
    """Hands the recipe and its changes to `chiasm.train.run`."""
    if not recipe.is_file():
        raise UserError(f"{recipe} is not a file: name a recipe, such as recipes/default.py")
    try:
        compile(recipe.read_bytes(), str(recipe), "exec")
    except (SyntaxError, ValueError) as e:
        said = f"line {e.lineno}: {e.msg}" if isinstance(e, SyntaxError) and e.lineno else str(e)
        raise UserError(f"{recipe} is not Python ({said}); name a recipe, such as recipes/default.py") from None
    if minutes is not None and not 0 < minutes < math.inf:
        raise UserError(f"--minutes {minutes:g} is no time to train in: give a number above 0")
    overrides = parse(changes)
    from chiasm.train.run import run as train

    print(train(recipe, overrides, out, resume=resume, device=device, minutes=minutes))
    return 0


def parse(changes: tuple[str, ...]) -> dict[str, str]:
    """key=value words as a dictionary. Raises `UserError` for a word that is none, and for a key given twice."""
    found: dict[str, str] = {}
    for word in changes:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UserError(f"{word!r} changes nothing: write key=value, such as stages.0.minutes=10")
        if key in found:
            raise UserError(f"{key} is given twice ({found[key]} and {value}): keep one")
        found[key] = value
    return found
