"""`chiasm compare`: runs of the same questions side by side, as a table and as a page to click through; a model may say which
answers it prefers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from chiasm.cli.show import as_json, columns
from chiasm.errors import UserError

app = App(
    name="compare",
    help="Compare runs on the same questions: paired differences, by slice, cost beside them; a page shows who had what right.",
    usage="Usage: chiasm compare [OPTIONS] RUN...",
    help_epilogue="""Example:
  chiasm compare runs/eval/default runs/eval/other
  chiasm compare runs/eval/default/pope runs/eval/other/pope --reference lmms-eval --page pope.html
  chiasm compare runs/eval/default/own runs/eval/other/own --judge openai:gpt-4o --human preferred.csv
  chiasm compare runs/probe/default runs/probe/other""",
)


@app.default
def run(
    *folders: Annotated[Path, Parameter(name="RUN", help="Folders of runs, or above them; others are held to the first.")],
    page: Annotated[Path, Parameter(help="Where the page is written.")] = Path("compare.html"),
    reference: Annotated[str | None, Parameter(help="Whose rules score all of them; without it their own.")] = None,
    judge: Annotated[str | None, Parameter(help="A model that says which answers it prefers: any that `eval` asks.")] = None,
    human: Annotated[Path | None, Parameter(help="What people prefer (a table with id and label), to hold it to.")] = None,
    strict: Annotated[bool, Parameter(help="Refuse runs that differ in more than the model.")] = False,
    pictures: Annotated[int, Parameter(help="So many pictures at most are put into the page.")] = 300,
    megabytes: Annotated[float | None, Parameter(help="And so many megabytes of them; 12 by default.")] = None,
    json: Annotated[bool, Parameter(help="One JSON array.")] = False,
) -> int:
    """Shows the table and writes the page."""
    if not folders:
        raise UserError("There is nothing to compare: name the folders of two runs.")
    if human is not None and judge is None:
        raise UserError("--human is held against a judge: name one with --judge.")
    from chiasm.evaluate.judge import preferences
    from chiasm.evaluate.runs import differences
    from chiasm.evaluate.runs.compare import alone, compared
    from chiasm.evaluate.runs.page import MEGABYTES, write
    from chiasm.evaluate.runs.run import judging
    from chiasm.probe.tasks import named

    found = compared(folders, reference, strict, named)
    verdicts = page.with_suffix(".preferences.jsonl")
    preferred = [] if judge is None else preferences.preferences(found, judging(judge).judge, human, verdicts)
    write(found, page, pictures, MEGABYTES if megabytes is None else megabytes, preferred)
    if json:
        judged = {one.task: [preferences.as_json(each) for each in preferred if each.task == one.task] for one in found}
        as_json([{**differences.as_json(one), **({"preferences": judged[one.task]} if preferred else {})} for one in found])
        return 0
    print(columns(differences.costs(found), frozenset(range(2, 11))))
    print()
    print(columns(differences.rows(found), frozenset(range(4, 11))))
    for note in differences.notes(found):
        print(note)
    if preferred:
        print()
        print(columns(preferences.rows(preferred), frozenset(range(3, len(preferences.ROWS)))))
        for note in preferences.notes(preferred):
            print(note)
        print(f"Every verdict: {verdicts}")
    for run, task in alone(folders):
        print(f"left out: {run} is the only run of {task}")
    print(f"To click through: {page}")
    return 0
