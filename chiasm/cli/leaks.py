"""`chiasm leaks`: whether pictures, clips and questions of an evaluation stand in training data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from chiasm.cli.show import as_json, columns
from chiasm.errors import UserError

if TYPE_CHECKING:
    from chiasm.evaluate.benchmarks.rows import Bad
    from chiasm.evaluate.leaks.given import Given

app = App(
    name="leaks",
    help="Find what of an evaluation stands in training data: the same and near pictures and clips, questions, runs of words.",
    usage="Usage: chiasm leaks [OPTIONS] EVAL --train DATA...",
    help_epilogue="""Example:
  chiasm leaks my.jsonl --train llava_v1_5_mix665k.json --pictures playground/data
  chiasm leaks benchmarks/ --tasks videomme --train clips/
  chiasm leaks benchmarks/ --tasks mmstar,pope --train train.parquet more/ --output runs/leaks/mix""",
)


@app.default
def run(
    evaluation: Annotated[Path, Parameter(name="EVAL", help="A table, or a folder of tables, pictures or videos.")],
    *,
    train: Annotated[list[Path], Parameter(help="The same of training data; several.", consume_multiple=True)],
    tasks: Annotated[str | None, Parameter(help="Benchmarks by name, with commas: EVAL is a folder in their layout.")] = None,
    split: Annotated[str | None, Parameter(help="Of the benchmarks, another than their own.")] = None,
    pictures: Annotated[Path | None, Parameter(help="Where training rows' files are, if not beside their table.")] = None,
    output: Annotated[Path, Parameter(help="Where the pairs are kept; a stopped check goes on there.")] = Path("runs/leaks"),
    limit: Annotated[int | None, Parameter(help="So many rows of the evaluation (of each task).")] = None,
    json: Annotated[bool, Parameter(help="One JSON object.")] = False,
) -> int:
    """Looks through all training data, then shows the table."""
    if pictures is not None and not pictures.is_dir():
        raise UserError(f"{pictures} is no folder: --pictures names the one that training rows' files are named from.")
    if not evaluation.exists():
        raise UserError(f"there is no {evaluation}: name what the model is asked, a table or a folder.")
    from chiasm.evaluate.leaks import check, page, report, tables
    from chiasm.evaluate.leaks.evaluation import gathered

    facts = {
        "training data": tables.listing(train),
        "named": [str(path) for path in train],
        "pictures": str(pictures),
        "version": check.VERSION,
    }
    looked_for = gathered(_asked(evaluation, tasks, split, limit))
    found = report.found(looked_for, check.checked(looked_for, tables.read(train, pictures), output, facts))
    with check.writing(output):
        report.write(found, output)
        side_by_side = page.write(found, output)
    if json:
        as_json(report.as_json(found))
        return 0
    print(columns(report.rows(found), frozenset((2, 3, 4, 5))))
    for note in report.notes(found):
        print(note)
    print(f"Every pair: {output / report.PAIRS}; side by side: {side_by_side}")
    return 0


def _asked(evaluation: Path, tasks: str | None, split: str | None, limit: int | None) -> Iterator[Given | Bad]:
    from itertools import islice

    from chiasm.evaluate.benchmarks import registry
    from chiasm.evaluate.leaks import tables
    from chiasm.evaluate.runs.data import folder_of

    if tasks is None:
        yield from islice(tables.read([evaluation]), limit)
        return
    for task in [registry.find(name.strip()) for name in tasks.split(",")]:
        yield from tables.asked(task, folder_of(task, evaluation, split), split, limit)
