"""The default model's exam, by one command, written into its card.

    python -m chiasm.evaluate.exam MODEL_FOLDER

Every picture has a font or drawing style, and every question a wording, that training never showed. Each question is asked
three times: with its picture, with a blank one (even mid grey) and with another question's picture. What a model knows from
the picture is what it gets right beyond the other two.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from chiasm.errors import ChiasmError, UserError, need
from chiasm.evaluate import card, plot
from chiasm.evaluate.examinee import Examinee, Said
from chiasm.evaluate.marks import CONDITIONS, Condition, Mark, mark, right, summary, table
from chiasm.evaluate.provenance import identity, machine, versions
from chiasm.evaluate.tasks import TASKS, Asked, Closed, Listed, Open, Task, draw
from chiasm.geometry import Size
from chiasm.loading import load_local
from chiasm.model import Causal
from chiasm.render import Assets, assets, fetch
from chiasm.weights.files import sha256
from chiasm.weights.read import describe
from chiasm.weights.write import write_json, write_text

ENOUGH, QUICK = 500, 60
"""Questions a task in an exam that a card may rest on, and in one that only takes a look."""

GREY = 127
BLANK = -1
"""The number of the blank picture."""

METHOD = {
    "blank": f"the same question about an even picture of grey {GREY}",
    "other": "the same question about the picture of the question half of the exam away",
    "written": "the likeliest token each time up to the end of the turn; right if it equals the answer after space around it "
    "and one final period are removed from both; case counts",
    "chosen": "the candidate with the highest log-probability, summed over its tokens and the end of the turn, not divided by "
    "their number",
    "interval": "Wilson, 95 %; differences on the same questions: Bonett and Price, with McNemar's exact p",
    "chance": "chosen: one over the number of answers that are ever true, all equally often, or of the question's own "
    "candidates; written: how often the commonest answer is another question's too",
}


@dataclass(frozen=True)
class Record:
    """One question with what was said under each condition; `other` is the number of the other picture."""

    task: str
    kind: str
    asked: Asked
    other: int
    said: dict[Condition, Said]

    def as_json(self) -> str:
        """One line, log-probabilities to three digits."""
        facts = {"task": self.task, "kind": self.kind, **asdict(self.asked), "other": self.other}
        for condition, said in self.said.items():
            scores = [round(score, 3) for score in said.scores]
            facts[f"with {condition}"] = {
                "said": said.text, "right": right(said, self.asked), "ended": said.ended, "scores": scores
            }  # fmt: skip
        return json.dumps(facts, ensure_ascii=False)


Tell = Callable[[str], None]


def examine(
    examinee: Examinee, material: Assets, pictures: int, seed: int, tasks: Sequence[Task] = TASKS, tell: Tell = lambda _: None
) -> tuple[list[Mark], list[Record]]:
    """Puts `pictures` questions of every task, each under three conditions; `tell` hears how it goes.

    Raises `UserError` for fewer than two questions a task: there would be no other picture.
    """
    _enough(pictures)
    marks: dict[str, Mark] = {}
    records: list[Record] = []
    for kind, several in groupby(sorted(tasks, key=lambda task: task.kind), key=lambda task: task.kind):
        group = list(several)
        drawn = draw(group, pictures, seed, material)
        numbers = list(drawn.pictures)
        like = drawn.pictures[numbers[0]]
        tokens = examinee.see([*drawn.pictures.values(), np.full_like(like, GREY)])
        seen = dict(zip([*numbers, BLANK], tokens, strict=True))
        for task in group:
            started, asked = time.monotonic(), drawn.asked[task.name]
            others = [asked[(n + len(asked) // 2) % len(asked)].number for n in range(len(asked))]
            shown: dict[Condition, Sequence[int]] = {
                "picture": [one.number for one in asked],
                "blank": [BLANK] * len(asked),
                "other": others,
            }
            said = answers(examinee, task, asked, shown, seen, Size(like.shape[1], like.shape[0]))
            marks[task.name] = mark(task, asked, said)
            for n, one in enumerate(asked):
                records.append(Record(task.name, kind, one, others[n], {c: said[c][n] for c in CONDITIONS}))
            took, share = time.monotonic() - started, marks[task.name].shares["picture"].value
            tell(f"{task.name}: {100 * share:.1f} % of {len(asked)} ({took:.0f} s)")
    return [marks[task.name] for task in tasks], records


def answers(
    examinee: Examinee,
    task: Task,
    asked: Sequence[Asked],
    shown: Mapping[Condition, Sequence[int]],
    seen: Mapping[int, Tensor],
    size: Size,
) -> dict[Condition, list[Said]]:
    """What is said to each question under each condition; what is the same twice (a wording about a blank picture, or about
    a picture that another question shows with the same wording) is asked once."""
    keys = {c: [(one.question, number, one.candidates) for one, number in zip(asked, shown[c], strict=True)] for c in shown}
    apart = list(dict.fromkeys(key for several in keys.values() for key in several))
    questions, pictures = [key[0] for key in apart], [seen[key[1]] for key in apart]
    match task.how:
        case Open(tokens):
            said = examinee.write(questions, pictures, size, tokens)
        case Closed() | Listed():
            said = examinee.choose(questions, pictures, size, [key[2] for key in apart])
    found = dict(zip(apart, said, strict=True))
    return {c: [found[key] for key in several] for c, several in keys.items()}


def run(
    folder: Path,
    pictures: int = ENOUGH,
    seed: int = 0,
    out: Path | None = None,
    runs: Sequence[Path] = (),
    name: str | None = None,
    tell: Tell = lambda _: None,
) -> dict[str, Any]:
    """The whole exam of a model folder; returns what results.json holds.

    `out` (by default `exam` in the folder) gets results.json, samples.jsonl, table.md and exam.png; the card goes to the
    folder's README.md, or to `out` where fewer than 500 questions a task were asked. `runs` are folders of the training
    that made the model, for the card, whose title is `name` or the folder's. Fetches fonts and emoji where they
    are not there yet.
    """
    need("matplotlib", extra="train")
    out = folder / "exam" if out is None else out
    _enough(pictures)
    described = describe(folder)
    stages = card.training(folder, runs)
    assistant = load_local(str(folder))
    model, planner = assistant.model, assistant.planner
    if not isinstance(model, Causal) or planner is None:
        raise UserError(f"{folder} holds a model that compares and does not answer: it cannot sit this exam")
    home = fetch()
    started = time.monotonic()
    marks, records = examine(Examinee(model, planner), assets("held-out"), pictures, seed, tell=tell)
    results = {
        "model": {"name": name or folder.resolve().name, **identity(described)},
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - started),
        "pictures": pictures,
        "seed": seed,
        "split": "held-out",
        "material": {"manifest.json": sha256(home / "manifest.json")},
        "method": METHOD,
        "versions": versions(),
        "machine": machine(model),
        "tasks": [{**asdict(m), "reached": m.reached, "excess_of_blank": m.excess} for m in marks],
        "summary": summary(marks),
    }
    write_json(out / "results.json", results)
    write_text(out / "samples.jsonl", "".join(record.as_json() + "\n" for record in records))
    write_text(out / "table.md", table(marks))
    plot.draw(marks, out / "exam.png")
    page = (folder if pictures >= ENOUGH else out) / "README.md"
    write_text(page, card.write(described, marks, results, stages, home, _link(out / "exam.png", page)))
    tell(f"{page} and {out} are written.")
    return results


def _enough(pictures: int) -> None:
    if pictures < 2:
        raise UserError(f"{pictures} questions a task leave no other picture to ask about: name 2 or more")


def _link(file: Path, page: Path) -> str:
    return Path(os.path.relpath(file.resolve(), page.resolve().parent)).as_posix()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m chiasm.evaluate.exam", description="Examines a model and writes its card.")
    parser.add_argument("folder", type=Path, metavar="MODEL_FOLDER")
    parser.add_argument("--pictures", type=int, default=ENOUGH, help=f"questions a task ({ENOUGH})")
    parser.add_argument("--seed", type=int, default=0, help="of the pictures (0)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} questions a task; leaves the model's card as it is")
    parser.add_argument("--out", type=Path, help="where results, samples, table and plot go (MODEL_FOLDER/exam)")
    parser.add_argument(
        "--run", type=Path, action="append", default=[], help="a folder of the training that made the model, for the card"
    )
    parser.add_argument("--name", help="the model's name in its card (the folder's)")
    parser.add_argument("--json", action="store_true", help="results.json on standard output instead of the table")
    given = parser.parse_args(words)
    pictures = QUICK if given.quick else given.pictures
    try:
        results = run(given.folder, pictures, given.seed, given.out, given.run, given.name, tell=_say)
    except ChiasmError as e:
        print(e, file=sys.stderr)
        return 2
    shown = given.out or given.folder / "exam"
    print(json.dumps(results, ensure_ascii=False) if given.json else (shown / "table.md").read_text() + results["summary"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
