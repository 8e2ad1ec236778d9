"""`chiasm env`: what a bug report needs."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from chiasm.cli.show import as_json, columns

app = App(
    name="env",
    help="Show versions, processor, memory and settings, for bug reports.",
    usage="Usage: chiasm env [OPTIONS]",
    help_epilogue="""Example:
  chiasm env
  chiasm env --json""",
)


@app.default
def run(*, json: Annotated[bool, Parameter(help="One JSON object.")] = False) -> int:
    """The facts in two columns."""
    from chiasm.env import facts

    found = facts()
    if json:
        as_json(found)
        return 0
    rows = []
    for name, value in found.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        rows += [(f"{name} {part}".strip(), written(item)) for part, item in inner]
    print(columns(rows))
    return 0


def written(value: object) -> str:
    match value:
        case True:
            return "yes"
        case False:
            return "no"
        case None:
            return "-"
        case list():
            return ", ".join(map(str, value)) or "-"
    return str(value)
