"""`chiasm env`: what a bug report needs; of a service, which fields it honours."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from chiasm.cli.show import as_json, columns
from chiasm.errors import UserError

app = App(
    name="env",
    help="Show versions, processor, memory and settings, for bug reports; of a service, what it honours of what it is sent.",
    usage="Usage: chiasm env [OPTIONS] [MODEL]",
    help_epilogue="""Example:
  chiasm env
  chiasm env --json
  chiasm env openai:qwen@http://127.0.0.1:8000/v1""",
)


@app.default
def run(
    model: Annotated[str | None, Parameter(name="MODEL", help="A service's model; about 14 small requests examine it.")] = None,
    /,
    *,
    json: Annotated[bool, Parameter(help="One JSON object.")] = False,
) -> int:
    """The facts in two columns."""
    from chiasm.env import facts

    found = facts() if model is None else {"service": model, "fields": examined(model)}
    if json:
        as_json(found)
        return 0
    rows = []
    for name, value in found.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        rows += [(f"{name} {part}".strip(), written(item)) for part, item in inner]
    print(columns(rows))
    return 0


def examined(model: str) -> dict[str, str]:
    """How each field is sent to a service, and whether it is honoured."""
    from chiasm.remote.assistant import RemoteAssistant
    from chiasm.remote.names import Endpoint, parse

    endpoint = parse(model)
    if not isinstance(endpoint, Endpoint):
        raise UserError(f"{model} is no service's model: name one such as openai:MODEL or openai:MODEL@http://HOST:PORT/v1")
    assistant = RemoteAssistant(endpoint)
    assistant.examine()
    return assistant.fields.told()


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
