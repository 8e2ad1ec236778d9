"""`chiasm probe`: what models are bad at, on fresh pictures of which everything is known."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from chiasm.cli.eval import slug
from chiasm.cli.show import as_json, columns
from chiasm.errors import UserError

app = App(
    name="probe",
    help="Draw what models are bad at, and how bad, as curves.",
    help_epilogue="""Example:
  chiasm probe skills default --limit 50""",
)


@app.command(
    name="skills",
    help="Count, read, place, compare on fresh pictures, level by level; a stopped run goes on.",
    usage="Usage: chiasm probe skills [OPTIONS] MODEL...",
    help_epilogue="""Example:
  chiasm probe skills default
  chiasm probe skills default ./other --only count,read-size --limit 100 --out runs/mine""",
)
def skills(
    *models: Annotated[str, Parameter(name="MODEL", help="`default`, a folder, owner/name, ...")],
    out: Annotated[Path, Parameter(name=["--out", "--output"], help="Where pictures, answers and pages go.")] = Path(
        "runs/probe"
    ),
    limit: Annotated[int, Parameter(help="Pictures a level.")] = 20,
    only: Annotated[str | None, Parameter(help="Skills by name, with commas.")] = None,
    seed: Annotated[int, Parameter(help="Of the pictures.")] = 0,
    json: Annotated[bool, Parameter(help="One JSON array.")] = False,
) -> int:
    """Asks every model, then writes a page for each, and one with all where there are several."""
    if not models:
        raise UserError("There is no model to probe: name one, such as default.")
    from chiasm.probe import remedies
    from chiasm.probe.page import page, picture, rows
    from chiasm.probe.run import Probed, Way, everything
    from chiasm.probe.skills import find
    from chiasm.render import assets
    from chiasm.weights.write import write_text

    chosen = find(tuple(name.strip() for name in only.split(",")) if only else ())
    way = Way(out / "pictures", limit, seed, assets("held-out"))
    told = f"Pictures a level: {limit}, from seed {seed}; options by log-probability where a question has them, else in words."
    options = [*(["--only", only] if only else []), "--limit", str(limit), *(["--seed", str(seed)] if seed else [])]
    found: list[Probed] = []
    for model in models:
        runs = everything(model, chosen, way, out / slug(model))
        command = shlex.join(["chiasm", "probe", "skills", model, *options])
        write_text(out / slug(model) / "page.html", page(runs, told, command))
        write_text(out / slug(model) / "curves.svg", picture(runs))
        found += runs
    if len(models) > 1:
        command = shlex.join(["chiasm", "probe", "skills", *models, *options])
        write_text(out / "page.html", page(found, told, command))
    head, *lines = rows(found)
    if json:
        as_json([dict(zip(head, line, strict=True)) for line in lines])
        return 0
    print(columns([head, *lines], frozenset(range(2, 9))))
    if after := list(remedies.rows(found)):
        print()
        print(columns([remedies.HEAD, *after], frozenset(range(2, 8))))
    print(f"{out / 'page.html' if len(models) > 1 else out / slug(models[0]) / 'page.html'} is written.")
    return 0
