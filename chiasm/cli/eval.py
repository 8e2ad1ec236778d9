"""`chiasm eval`: models asked the questions of benchmarks, or a person's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from chiasm.cli.fewer import BUDGET, COMPRESS
from chiasm.cli.show import as_json, columns
from chiasm.errors import UserError

if TYPE_CHECKING:
    from chiasm.evaluate.runs.outcome import Outcome

app = App(
    name="eval",
    help="Ask models the questions of benchmarks, or your own, and write every answer down; a stopped run goes on.",
    usage="Usage: chiasm eval [OPTIONS] MODEL...",
    help_epilogue="""Example:
  chiasm eval default --data my.jsonl
  chiasm eval default openai:gpt-4o --data my.jsonl --judge openai:gpt-4o-mini
  chiasm eval default ./other --data photos/ --output runs/photos
  chiasm eval ./model --tasks mmstar,pope --data benchmarks/ --limit 200
  chiasm eval ./clip --tasks zero-shot,flickr30k-retrieval --data benchmarks/
  chiasm eval default --data my.jsonl --compress merge-alike:4
  chiasm eval ./flamingo --tasks okvqa --data okvqa/ --prompts Flamingo --shots 4""",
)


@app.default
def run(
    *models: Annotated[str, Parameter(name="MODEL", help="`default`, a folder, owner/name, ...")],
    tasks: Annotated[str | None, Parameter(help="Benchmarks by name, with commas; without any, --data holds your own.")] = None,
    data: Annotated[Path | None, Parameter(help="A table, or a folder in the published layout (of several: one each).")] = None,
    output: Annotated[Path, Parameter(help="Where runs are kept.")] = Path("runs/eval"),
    limit: Annotated[int | None, Parameter(help="So many rows of each task.")] = None,
    split: Annotated[str | None, Parameter(help="Another split than the task's own.")] = None,
    prompts: Annotated[str | None, Parameter(help="Published prompts by name, with commas; `all` for every one.")] = None,
    reference: Annotated[str | None, Parameter(help="Whose rules score, where published numbers follow several.")] = None,
    seeds: Annotated[int, Parameter(help="So many seeds, with --temperature above 0.")] = 1,
    temperature: Annotated[float, Parameter(help="Of sampling; 0 is greedy.")] = 0.0,
    batch: Annotated[int, Parameter(help="Questions asked at once.")] = 8,
    compress: Annotated[str | None, Parameter(help=COMPRESS)] = None,
    budget: Annotated[str | None, Parameter(help=BUDGET)] = None,
    ablations: Annotated[bool, Parameter(negative="--no-ablations", help="Ask with other pictures, or none, too.")] = True,
    circular: Annotated[bool, Parameter(negative="", help="Your own options in every turn, right only if all are.")] = False,
    judge: Annotated[str | None, Parameter(help="A model that judges what rules cannot, such as openai:gpt-4o.")] = None,
    grades: Annotated[Literal["right", "tenths"], Parameter(help="The judge's: right or wrong, or from 0 to 10.")] = "right",
    frames: Annotated[
        int | None, Parameter(help="So many frames of each video; the model's own, or 8 pictures, if none.")
    ] = None,
    shots: Annotated[int, Parameter(help="So many examples before each question, where that is published.")] = 0,
    shots_from: Annotated[Path | None, Parameter(help="A folder with the training split, if not --data.")] = None,
    shots_seed: Annotated[int, Parameter(help="What examples are drawn by.")] = 0,
    shots_in: Annotated[Literal["pictures", "words"], Parameter(help="Examples with their pictures, or without.")] = "pictures",
    price: Annotated[str | None, Parameter(help="MODEL=READ/WRITTEN for a million tokens, several with commas.")] = None,
    json: Annotated[bool, Parameter(help="One JSON array.")] = False,
) -> int:
    """Runs what is not finished, then shows the table."""
    if not models:
        raise UserError("There is no model to ask: name one, such as default.")
    if tasks is None and data is None:
        raise UserError("There is nothing to ask: name benchmarks with --tasks, or your own table with --data.")
    for name, given in (("--limit", limit), ("--batch", batch), ("--seeds", seeds), ("--frames", frames)):
        if given is not None and given < 1:
            raise UserError(f"{name} is {given}: name a number from 1 up.")
    if not 0 <= temperature < float("inf"):
        raise UserError(f"--temperature is {temperature}: name 0, which is greedy, or a number above it.")
    if seeds > 1 and not temperature:
        raise UserError("Greedy answers are the same for every seed: give --temperature too.")
    if circular and tasks:
        raise UserError("--circular turns the options of your own table; benchmarks are asked as they are published.")
    if shots < 0 or (not shots and shots_from is not None):
        raise UserError(f"--shots is {shots}: name how many examples stand before each question, such as 4.")
    from chiasm.evaluate.benchmarks.shots import Few
    from chiasm.evaluate.runs.prices import prices
    from chiasm.evaluate.runs.run import Wanted, evaluated, judging

    names = [name.strip() for name in tasks.split(",")] if tasks else []
    asked = None if prompts is None else tuple(prompts.split(","))
    costs = prices(price)
    if strange := sorted(costs.keys() - set(models)):
        raise UserError(f"--price names {strange[0]}, which is none of the models that are asked: {', '.join(models)}.")
    wanted = Wanted(
        tuple(names),
        data,
        limit,
        split,
        asked,
        reference,
        tuple(range(seeds)),
        temperature,
        batch,
        ablations,
        compress,
        budget,
        circular,
        Few(shots, shots_from, shots_seed, shots_in) if shots else None,
        costs,
        frames,
    )
    asked_to_judge = None if judge is None else judging(judge, grades)
    called = {model: slug(" ".join([model, *(how for how in (compress, budget) if how)])) for model in models}
    outcomes = [one for model in models for one in evaluated(model, wanted, output / called[model], asked_to_judge)]
    show(outcomes, json)
    return 0


def show(outcomes: Sequence[Outcome], json: bool) -> None:
    """A table with what a reader must know beneath it."""
    from chiasm.evaluate.runs import outcome, report

    if json:
        as_json([outcome.as_json(one) for one in outcomes])
        return
    print(columns(report.rows(outcomes), frozenset(range(3, 14))))
    for note in report.notes(outcomes):
        print(note)


def slug(name: str) -> str:
    """A model's name as a folder's."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "model"
