"""`chiasm cache`: what was fetched or converted once and is kept."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from chiasm.cli.show import as_json, columns, scaled
from chiasm.errors import BadCheckpoint

app = App(
    name="cache",
    help="What was fetched or converted once and is kept; CHIASM_HOME says where.",
    help_epilogue="""Example:
  chiasm cache ls
  chiasm cache rm smollm2-135m-instruct""",
)
Json = Annotated[bool, Parameter(help="One JSON object.")]


@app.command(help_epilogue="Example:\n  chiasm cache ls --json")
def ls(*, json: Json = False) -> int:
    """List the entries with their size and source."""
    from chiasm.weights import cache

    entries, torn = cache.ls(), cache.incomplete()
    if json:
        listed = [
            {"name": e.name, "bytes": e.bytes, "source": e.source, "created": e.created, "folder": str(e.folder)}
            for e in entries
        ]
        as_json({"home": str(cache.home()), "entries": listed, "incomplete": [folder.name for folder in torn]})
        return 0
    rows = [(e.name, scaled(e.bytes, "B"), e.created[:10], e.source) for e in entries]
    rows += [(folder.name, "-", "-", "incomplete: fetching goes on from here") for folder in torn]
    print(columns(rows, right=frozenset({1})) if rows else "nothing is kept")
    print(f"in {cache.home()}")
    return 0


@app.command(help_epilogue="Example:\n  chiasm cache rm smollm2-135m-instruct")
def rm(name: Annotated[str, Parameter(help="The entry's name, as `ls` shows it.")], /, *, json: Json = False) -> int:
    """Remove one entry."""
    from chiasm.weights import cache

    freed = cache.rm(name)
    as_json({"removed": name, "bytes": freed}) if json else print(f"{name} removed, {scaled(freed, 'B')} freed")
    return 0


@app.command(help_epilogue="Example:\n  chiasm cache verify")
def verify(*, json: Json = False) -> int:
    """Read every entry again; exit code 1 if one is damaged."""
    from chiasm.weights import cache

    damaged: dict[str, str | None] = {}
    for folder in sorted((cache.home() / "entries").glob("*/")):
        try:
            known = cache.entry(folder.name)
            if known is not None:
                cache.verify(known)
            damaged[folder.name] = None
        except BadCheckpoint as e:
            damaged[folder.name] = str(e)
    if json:
        as_json({"entries": [{"name": name, "ok": why is None, "why": why} for name, why in damaged.items()]})
    else:
        print(columns([(name, why or "ok") for name, why in damaged.items()]) or "nothing is kept")
    return int(any(damaged.values()))
