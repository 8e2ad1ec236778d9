"""Answers drawn from a seed, and what scorers need beside them; `scorers.py` measures how long they take.

Sentences have words as uneven as a language's; the rest is short answers, letters in every form, numbers, boxes, tables.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from chiasm.evaluate.benchmarks.task import Judged, Record
from chiasm.evaluate.scorers import mmbench, ptb, tables
from chiasm.evaluate.scorers.grams import Corpus

USUAL = tables.words(
    "a man woman dog cat bus kitten rides sits on under the red two wooden bench near river street with frisbee"
)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
_draw = random.Random(0)
WORDS = (*USUAL, *("".join(_draw.choices(LETTERS, k=_draw.randint(3, 10))) for _ in range(6000)))
COMMON = list(accumulate(1 / (rank + 3) for rank in range(len(WORDS))))
"""How often words come up to each: the n-th about as often as 1 / n (Zipf)."""
FORMS = ("{x}", "{x}.", "({x})", "Answer: {x}", "The answer is {x}.", "{x} because of what one sees", "I think that {w} is it")
OPTIONS = {"A": "teddy bear", "B": "rabbit", "C": "cat", "D": "dog"}
PEOPLE, REFERENCES, FOUND, CELLS, LABELS = 10, 5, 20, 20, 80


def sentence(draw: random.Random) -> str:
    return " ".join(draw.choices(WORDS, cum_weights=COMMON, k=draw.randint(6, 14))) + "."


def phrase(draw: random.Random) -> str:
    return " ".join(draw.choices(USUAL, k=draw.randint(3, 6)))


def choice(draw: random.Random) -> str:
    return draw.choice(FORMS).format(x=draw.choice("ABCD"), w=draw.choice(list(OPTIONS.values())))


def short(draw: random.Random) -> str:
    return " ".join(draw.choices(USUAL, k=draw.randint(1, 3)))


def number(draw: random.Random) -> str:
    return f"{draw.uniform(0, 2000):.2f}{draw.choice(('', '%', ' km'))}"


def box(draw: random.Random) -> str:
    return f"It is at [{', '.join(f'{draw.random():.3f}' for _ in range(4))}]"


# Answers made ready.


def people(said: Sequence[str], draw: random.Random) -> list[tuple[str, list[str]]]:
    people = [[short(draw) for _ in range(3)] for _ in range(1000)]
    return [(one, draw.choices(draw.choice(people), k=PEOPLE)) for one in said]


def texts(said: Sequence[str], draw: random.Random) -> list[str]:
    """Captions, each before its references."""
    return [text for one in said for text in (one, *(sentence(draw) for _ in range(REFERENCES)))]


def corpus(said: Sequence[str], draw: random.Random) -> Corpus:
    lines = iter(ptb.tokenize(texts(said, draw), exact=False))
    rows = [(next(lines), [next(lines) for _ in range(REFERENCES)]) for _ in said]
    return Corpus([one for one, _ in rows], [true for _, true in rows])


Rows = list[tuple[str, str]]


def misread(changed: Callable[[list[str]], list[str]]) -> Callable[[Sequence[str], random.Random], Rows]:
    """Tables of five rows and four columns, and what was read of them."""

    def make(said: Sequence[str], draw: random.Random) -> Rows:
        several = [list(said[n : n + CELLS]) for n in range(0, len(said), CELLS)]
        return [(table(changed(cells)), table(cells)) for cells in several]

    return make


def table(cells: Sequence[str]) -> str:
    rows = ("".join(f"<td>{cell}</td>" for cell in cells[n : n + 4]) for n in range(0, len(cells), 4))
    return f"<html><body><table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table></body></html>"


def every_third(cells: list[str]) -> list[str]:
    return [cell[:-1] if place % 3 else cell for place, cell in enumerate(cells)]


def other(cells: list[str]) -> list[str]:
    return [cell[::-1] for cell in cells[::-1]]


def images(said: Sequence[str], draw: random.Random) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Ten found boxes an image, as many that are true."""
    images = range(max(1, len(said) // 10))

    def boxes_of(score: bool) -> Iterator[dict[str, Any]]:
        for n in range(10 * len(images)):
            wide, high = draw.uniform(5, 200), draw.uniform(5, 200)
            box = [draw.uniform(0, 400), draw.uniform(0, 400), wide, high]
            rest = {"score": draw.random()} if score else {"id": n + 1, "area": wide * high, "iscrowd": 0}
            yield {"image_id": n // 10, "category_id": 1 + n % LABELS, "bbox": box, **rest}

    truth: dict[str, list[dict[str, Any]]] = {
        "images": [{"id": n, "width": 640, "height": 640} for n in images],
        "categories": [{"id": n + 1} for n in range(LABELS)],
        "annotations": list(boxes_of(False)),
    }
    return truth, list(boxes_of(True))


def queries(said: Sequence[str], draw: random.Random) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    results = {
        str(query): {f"d{draw.randrange(10**6)}": draw.random() for _ in range(FOUND)} for query in range(len(said) // FOUND)
    }
    return {query: {min(found): 1} for query, found in results.items()}, results


def turns(said: Sequence[str], draw: random.Random) -> list[mmbench.Turn]:
    return [mmbench.Turn(n // 4 + n % 4 * mmbench.TURN, OPTIONS, "B", one) for n, one in enumerate(said)]


def logits(said: Sequence[str], draw: random.Random) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.normal(size=(len(said), 100)), generator.integers(0, 100, len(said))


def yes_or_no(said: Sequence[str], draw: random.Random) -> list[Record]:
    """Records that were judged, in three groups."""

    def record(n: int) -> Record:
        answer, gold = draw.choice(("yes", "no")), draw.choice(("yes", "no"))
        group = {"category": ("random", "popular", "adversarial")[n % 3]}
        return Record(str(n), {"answer": gold}, group, answer, Judged(answer, float(answer == gold)))

    return [record(n) for n in range(len(said))]


def named(said: Sequence[str], draw: random.Random) -> list[Record]:
    """Records of captions whose objects were looked up."""
    kinds = ("cat", "dog", "car", "person", "chair")

    def parsed() -> Mapping[str, list[str]]:
        return {"named": draw.choices(kinds, k=3), "true": sorted(set(draw.choices(kinds, k=3)))}

    return [Record(str(n), {}, {}, one, Judged(parsed(), 0.5)) for n, one in enumerate(said)]
