"""`chiasm score`: answers that were written down, scored again without asking anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from chiasm.cli.eval import show
from chiasm.errors import UserError

app = App(
    name="score",
    help="Score the answers of finished runs again, by the rules that they name, by others, or by a model that judges.",
    usage="Usage: chiasm score [OPTIONS] RUN",
    help_epilogue="""Example:
  chiasm score runs/eval
  chiasm score runs/eval/default/pope --reference lmms-eval
  chiasm score runs/eval --judge openai:gpt-4o
  chiasm score runs/eval/default/own --judge ./model --human labels.csv
  chiasm score runs/probe/default""",
)


@app.default
def run(
    folder: Annotated[Path, Parameter(name="RUN", help="A run's folder, or one above several.")],
    /,
    *,
    reference: Annotated[str | None, Parameter(help="Whose rules score; without it the run's own.")] = None,
    judge: Annotated[str | None, Parameter(help="A model that judges what rules cannot: any that `chiasm eval` asks.")] = None,
    grades: Annotated[Literal["right", "tenths"], Parameter(help="The judge's: right or wrong, or from 0 to 10.")] = "right",
    human: Annotated[Path | None, Parameter(help="People's labels (a table with id and label), to hold it to.")] = None,
    json: Annotated[bool, Parameter(help="One JSON array.")] = False,
) -> int:
    """Judges every answer anew and shows the table."""
    if human is not None and judge is None:
        raise UserError("--human is held against a judge: name one with --judge.")
    from chiasm.evaluate.runs.run import judging, scored
    from chiasm.evaluate.runs.store import runs_in
    from chiasm.probe.tasks import named

    runs_in(folder)
    show(scored(folder, reference, None if judge is None else judging(judge, grades, human), named), json)
    return 0
