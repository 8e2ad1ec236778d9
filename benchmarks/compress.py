"""What fewer visual tokens cost the default model: tokens, time to the first token, and what it still reads.

    python benchmarks/compress.py [--questions 40] [--json]

Each row is the same model with steps without weights after its connector, which it was not trained with. Pictures and
questions are the exam's (fonts and wordings that training never showed), the same for every row. Times are medians of turns
that go through all rows one after the other; the load average is printed with them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from chiasm.connect.compressed import compressed
from chiasm.connect.steps import Connector
from chiasm.evaluate.exam import answers
from chiasm.evaluate.examinee import Examinee
from chiasm.evaluate.marks import right
from chiasm.evaluate.tasks import TASKS, Drawn, Task, draw
from chiasm.generate.engine import Token, generate
from chiasm.generate.sampling import Sampling
from chiasm.geometry import Size
from chiasm.loading import load
from chiasm.model import Batch, Causal, Sight
from chiasm.prompt.messages import question
from chiasm.prompt.plan import count
from chiasm.prompt.planner import Planner
from chiasm.render import assets

WAYS = {
    "raw": None,
    "pooled, 2 x 2": "pool:2",
    "merged, 4 to 1": "merge-alike:4",
    "merged, 8 to 1": "merge-alike:8",
    "pruned, 2 to 1": "prune:2",
    "pruned, 4 to 1": "prune:4",
    "unlike kept, 4 to 1": "prune-alike:4",
}
"""Rows of the table. A shuffle gives as many tokens as the pool, through a linear layer that has to be trained first; begun as
the mean of its four parts it is the pool."""

COLUMNS = ("number, 1-3 digits", "number, 1-3 digits, under 20 px", "colour and shape", "above or below")
"""Reading by font size, naming, and the relation that the model knows."""

SIDE = 224


@dataclass(frozen=True)
class Way:
    """One model's weights behind a connector of its own."""

    model: Causal
    connect: Connector
    planner: Planner

    @classmethod
    def of(cls, model: Causal, planner: Planner, named: str | None) -> Way:
        if named is None:
            return cls(model, model.connect, planner)
        spec = compressed(model.spec, named)
        assert spec.sight is not None
        connect = Connector(spec.sight.connector, spec.sight.encoder.width)
        connect.load_state_dict(model.connect.state_dict(), assign=True)
        return cls(model, connect.eval(), replace(planner, spec=spec))

    def put_on(self) -> None:
        self.model.connect = self.connect

    @property
    def tokens(self) -> int:
        return count(self.planner.spec, Size(SIDE, SIDE)).visual


def first_token(way: Way) -> Callable[[], float]:
    """Seconds from patches to the first token of an answer."""
    model, planner = way.model, way.planner
    assert model.spec.sight is not None
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    plan = planner.plan([(question("What is the number?", [pixels]),)], [Size(SIDE, SIDE)])
    sight = Sight.of(model.spec.sight, [pixels])
    batch: Batch = plan.batch(sight.patches_PK)

    def once() -> float:
        way.put_on()
        started = time.perf_counter()
        for event in generate(model, batch, Sampling(max_new_tokens=1)):
            if isinstance(event, Token):
                return time.perf_counter() - started
        raise AssertionError("no token came")

    return once


def shares(way: Way, drawn: Sequence[tuple[list[Task], Drawn]]) -> dict[str, float]:
    """The share of each task's questions that are answered right."""
    way.put_on()
    examinee, found = Examinee(way.model, way.planner), {}
    for group, made in drawn:
        seen = dict(zip(made.pictures, examinee.see(list(made.pictures.values())), strict=True))
        for task in group:
            asked = made.asked[task.name]
            said = answers(examinee, task, asked, {"picture": [one.number for one in asked]}, seen, Size(SIDE, SIDE))["picture"]
            found[task.name] = sum(map(right, said, asked)) / len(asked)
    return found


def measured(questions: int, turns: int) -> list[dict[str, Any]]:
    assistant = load(dtype="bfloat16", device="cpu")
    assert isinstance(assistant.model, Causal) and assistant.planner is not None
    ways = {said: Way.of(assistant.model, assistant.planner, named) for said, named in WAYS.items()}
    tasks = sorted((task for task in TASKS if task.name in COLUMNS), key=lambda task: task.kind)
    groups = [list(several) for _, several in groupby(tasks, key=lambda task: task.kind)]
    drawn = [(group, draw(group, questions, 0, assets("held-out"), SIDE)) for group in groups]
    clocks = {said: first_token(way) for said, way in ways.items()}
    times = [{said: once() for said, once in clocks.items()} for _ in range(turns)]
    rows = []
    for said, way in ways.items():
        seconds = statistics.median(turn[said] for turn in times)
        rows.append({"way": said, "tokens": way.tokens, "first_token_s": seconds, **shares(way, drawn)})
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [f"| | visual tokens | first token, s | {' | '.join(COLUMNS)} |", "|---|" + "---:|" * (2 + len(COLUMNS))]
    for row in rows:
        marks = " | ".join(f"{100 * row[name]:.0f}" for name in COLUMNS)
        lines.append(f"| {row['way']} | {row['tokens']} | {row['first_token_s']:.2f} | {marks} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="What fewer visual tokens cost the default model.")
    parser.add_argument("--questions", type=int, default=40, help="questions a task (default 40)")
    parser.add_argument("--turns", type=int, default=7, help="times of each row's first token (default 7)")
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    given = parser.parse_args()
    rows = measured(given.questions, given.turns)
    if given.json:
        print(json.dumps({"load": os.getloadavg()[0], "questions": given.questions, "rows": rows}))
    else:
        print(f"{table(rows)}\n\n{given.questions} questions a task; load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
