"""What fewer visual tokens cost the default model: tokens, time to the first token, and what it still reads.

    python benchmarks/compress.py [--questions 40] [--json]

Each row is the same model with steps after its connector that it was not trained with. Pictures and questions are the exam's
(fonts and wordings that training never showed), the same for every row. Times are medians of turns that go through all rows one
after the other; the load average is printed with them. Where tokens follow content, both columns are about the mean picture.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import torch

from chiasm.connect.compressed import budgeted, compressed
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
from chiasm.pixels.content import Policy, policy
from chiasm.prompt.items import count
from chiasm.prompt.messages import question
from chiasm.prompt.planner import Planner
from chiasm.render import assets
from chiasm.spec import Causal as Spec
from chiasm.spec import Merge, Mlp


@dataclass(frozen=True)
class Shuffled:
    """Squares of 2 x 2 tokens joined by width (pixel shuffle), through a linear layer that begins as their mean."""


@dataclass(frozen=True)
class ByContent:
    """As many tokens as a policy leaves a picture."""

    named: str


WAYS: dict[str, str | Shuffled | ByContent | None] = {
    "raw": None,
    "shuffled, 2 x 2, untrained": Shuffled(),
    "pooled, 2 x 2": "pool:2",
    "merged, 4 to 1": "merge-alike:4",
    "merged, 8 to 1": "merge-alike:8",
    "merged, by content": ByContent("content"),
    "pruned, 2 to 1": "prune:2",
    "pruned, 4 to 1": "prune:4",
    "unlike kept, 4 to 1": "prune-alike:4",
}
"""Rows of the table. A shuffle's linear layer would have to be trained: as it begins it is the pool, but for squares that reach
beyond the picture's edge, which are filled with zeros."""

COLUMNS = (
    "number, 1-3 digits", "number, 1-3 digits, under 20 px", "colour and shape", "above or below", "left or right",
)  # fmt: skip
"""Reading by font size, naming, and relations."""

SIDE = 224


@dataclass(frozen=True)
class Way:
    """One model's weights behind a connector of its own; `policy` says which share of its tokens a picture is left."""

    model: Causal
    connect: Connector
    planner: Planner
    policy: Policy | None = None

    @classmethod
    def of(cls, model: Causal, planner: Planner, how: str | Shuffled | ByContent | None) -> Way:
        match how:
            case None:
                return cls(model, model.connect, planner)
            case str():
                spec = compressed(model.spec, how)
            case ByContent(named):
                spec = budgeted(model.spec, named)
            case Shuffled():
                spec = shuffled(model.spec)
        assert spec.sight is not None
        connect = Connector(spec.sight.connector, spec.sight.encoder.width).to(next(model.connect.parameters()).dtype)
        connect.load_state_dict(model.connect.state_dict(), strict=False, assign=True)
        if isinstance(how, Shuffled):
            begin_as_mean(connect)
        asks = policy(how.named) if isinstance(how, ByContent) else None
        return cls(model, connect.eval(), replace(planner, spec=spec), asks)

    def put_on(self) -> None:
        self.model.connect = self.connect

    def size(self, picture: np.ndarray) -> Size:
        """What a plan knows of a picture. Of shares only whole tokens matter, so that few sizes differ."""
        if self.policy is None:
            return Size(SIDE, SIDE)
        tokens = count(self.planner.spec, Size(SIDE, SIDE)).visual
        return Size(SIDE, SIDE, share=min(1.0, (math.ceil(tokens * self.policy(picture)) - 0.5) / tokens))

    def tokens(self, pictures: Sequence[np.ndarray]) -> float:
        """Visual tokens of a picture, on the mean."""
        return statistics.fmean(count(self.planner.spec, self.size(picture)).visual for picture in pictures)


def shuffled(spec: Spec) -> Spec:
    sight = spec.sight
    assert sight is not None
    width = spec.decoder.width
    return replace(spec, sight=replace(sight, connector=(*sight.connector, Merge(2, odd="zeros"), Mlp(width, width, depth=1))))


@torch.no_grad()
def begin_as_mean(connect: Connector) -> None:
    (*_, last) = connect.steps
    (layer,) = last.layers
    width = layer.weight.shape[0]
    layer.weight.copy_(torch.eye(width).repeat(1, 4) / 4)
    layer.bias.zero_()


def first_token(way: Way, picture: np.ndarray) -> Callable[[], float]:
    """Seconds from patches to the first token of an answer."""
    model, planner = way.model, way.planner
    assert model.spec.sight is not None
    plan = planner.plan([(question("What is the number?", [picture]),)], [way.size(picture)])
    sight = Sight.of(model.spec.sight, [picture])
    batch: Batch = plan.batch(sight.patches_PK)

    def once() -> float:
        way.put_on()
        started = time.perf_counter()
        for event in generate(model, batch, Sampling(max_new_tokens=1)):
            if isinstance(event, Token):
                return time.perf_counter() - started
        raise AssertionError("no token came")

    return once


@torch.inference_mode()
def see(way: Way, pictures: Sequence[np.ndarray], size: Size, at_once: int = 32) -> list[torch.Tensor]:
    """The visual tokens of pictures that are left alike many."""
    sight = way.planner.spec.sight
    assert sight is not None
    seen: list[torch.Tensor] = []
    for start in range(0, len(pictures), at_once):
        some = pictures[start : start + at_once]
        plan = way.planner.plan([[question("-", [one])] for one in some], [size] * len(some))
        batch = plan.batch(Sight.of(sight, some).patches_PK)
        assert isinstance(batch.sight, Sight)
        seen += way.model.see(batch.sight).tokens_VD.split(plan.visual_tokens())
    return seen


def shares(way: Way, drawn: Sequence[tuple[list[Task], Drawn]]) -> dict[str, float]:
    """The share of each task's questions that are answered right."""
    way.put_on()
    examinee, found = Examinee(way.model, way.planner), {}
    for group, made in drawn:
        sizes = {number: way.size(picture) for number, picture in made.pictures.items()}
        alike = {size: [number for number, own in sizes.items() if own == size] for size in sizes.values()}
        right_of = Counter[str]()
        for size, numbers in alike.items():
            seen = dict(zip(numbers, see(way, [made.pictures[number] for number in numbers], size), strict=True))
            for task in group:
                asked = [one for one in made.asked[task.name] if one.number in seen]
                if asked:
                    said = answers(examinee, task, asked, {"picture": [one.number for one in asked]}, seen, size)["picture"]
                    right_of[task.name] += sum(map(right, said, asked))
        found |= {task.name: right_of[task.name] / len(made.asked[task.name]) for task in group}
    return found


def measured(questions: int, turns: int) -> list[dict[str, Any]]:
    assistant = load(dtype="bfloat16", device="cpu")
    assert isinstance(assistant.model, Causal) and assistant.planner is not None
    ways = {said: Way.of(assistant.model, assistant.planner, how) for said, how in WAYS.items()}
    tasks = sorted((task for task in TASKS if task.name in COLUMNS), key=lambda task: task.kind)
    groups = [list(several) for _, several in groupby(tasks, key=lambda task: task.kind)]
    drawn = [(group, draw(group, questions, 0, assets("held-out"), SIDE)) for group in groups]
    pictures = [picture for _, made in drawn for picture in made.pictures.values()]
    clocks = {said: first_token(way, middling(way, pictures)) for said, way in ways.items()}
    times = [{said: once() for said, once in clocks.items()} for _ in range(turns)]
    rows = []
    for said, way in ways.items():
        seconds = statistics.median(turn[said] for turn in times)
        rows.append({"way": said, "tokens": way.tokens(pictures), "first_token_s": seconds, **shares(way, drawn)})
    return rows


def middling(way: Way, pictures: Sequence[np.ndarray]) -> np.ndarray:
    """The picture whose tokens are nearest to the mean."""
    mean = way.tokens(pictures)
    return min(pictures, key=lambda picture: abs(way.tokens([picture]) - mean))


def table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [f"| | visual tokens | first token, s | {' | '.join(COLUMNS)} |", "|---|" + "---:|" * (2 + len(COLUMNS))]
    for row in rows:
        marks = " | ".join(f"{100 * row[name]:.0f}" for name in COLUMNS)
        lines.append(f"| {row['way']} | {row['tokens']:.0f} | {row['first_token_s']:.2f} | {marks} |")
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
