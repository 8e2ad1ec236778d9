"""`chiasm score`: answers that were written down, scored again without asking anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from chiasm.cli.eval import show

app = App(
    name="score",
    help="Score the answers of finished runs again, by the rules that they name or by others; no model is asked.",
    usage="Usage: chiasm score [OPTIONS] RUN",
    help_epilogue="""Example:
  chiasm score runs/eval
  chiasm score runs/eval/default/pope --reference lmms-eval""",
)


@app.default
def run(
    folder: Annotated[Path, Parameter(name="RUN", help="A run's folder, or one above several.")],
    /,
    *,
    reference: Annotated[str | None, Parameter(help="Whose rules score; without it the run's own.")] = None,
    json: Annotated[bool, Parameter(help="One JSON array.")] = False,
) -> int:
    """Judges every answer anew and shows the table."""
    from chiasm.evaluate.runs.run import scored

    show(scored(folder, reference), json)
    return 0
