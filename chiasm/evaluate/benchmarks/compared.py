"""Benchmarks that are compared, not asked: captions and pictures, questions and pages, pictures and the names of classes.

A model gives a vector, or several, for each text and picture; the answer to a query is the place at which what belongs to it
stands among all that it is compared with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from chiasm.errors import UserError
from chiasm.evaluate.benchmarks import embedding
from chiasm.evaluate.benchmarks.figures import Figure, by, mean, scores
from chiasm.evaluate.benchmarks.rows import Bad, Layout
from chiasm.evaluate.benchmarks.task import Item, Judged, Record, Task
from chiasm.evaluate.scorers import retrieval
from chiasm.prompt.messages import Image, Text

FOUND, CLASS = "found", "class"
"""Groups of a query: what is sought for it, and the class of a picture."""
CUT = 5
BEST = 5
"""So many of the nearest are written down."""

Side = Literal["texts", "pictures"]
Order = Callable[[np.ndarray, Sequence[str]], Sequence[int]]


@dataclass(frozen=True)
class Query:
    """A text or a picture by its number, asked of the other side, and the numbers there that belong to it."""

    item: Item
    side: Side
    number: int
    right: tuple[int, ...]


@dataclass(frozen=True)
class Field:
    """All that is compared: texts, each in one or several wordings of which the mean counts, and pictures, all by name."""

    texts: tuple[tuple[str, ...], ...]
    text_names: tuple[str, ...]
    pictures: tuple[Image, ...]
    picture_names: tuple[str, ...]
    queries: tuple[Query, ...]
    bad: tuple[Bad, ...] = ()


Read = Callable[[Path, str, int | None], Field]


@dataclass(frozen=True)
class Comparison:
    """A benchmark with how its folder is read and how equal scores are ordered, best first."""

    task: Task
    read: Read
    order: Order


def answer(rank: int, best: Sequence[str]) -> str:
    """What is written down: the place of the first that belongs to the query, from 1, and the names of the nearest."""
    return json.dumps({"rank": rank, "best": list(best)}, ensure_ascii=False)


def _judge(gold: Mapping[str, Any], reply: str) -> Judged:
    try:
        rank = int(json.loads(reply)["rank"])
    except (ValueError, TypeError, KeyError):
        return Judged(None, 0.0)
    return Judged(rank, float(rank == 1))


def _ranks(records: Sequence[Record]) -> list[float]:
    return [record.judged.parsed or np.inf for record in records]


def _recalls(records: Sequence[Record]) -> tuple[Figure, ...]:
    """Recall at 1, 5 and 10 of captions for pictures, then of pictures for captions."""
    sides = by(records, FOUND)
    return tuple(
        mean(f"{kind} R@{cut}", [float(rank <= cut) for rank in _ranks(sides[kind])])
        for kind in ("text", "image")
        if kind in sides
        for cut in embedding.CUTS
    )


def _pages(records: Sequence[Record]) -> tuple[Figure, ...]:
    """nDCG at five, where one page is right, and recall at one."""
    gains = [float(1 / np.log2(1 + rank)) if rank <= CUT else 0.0 for rank in _ranks(records)]
    return (mean(f"nDCG@{CUT}", gains), mean("R@1", scores(records)))


def _classes(records: Sequence[Record]) -> tuple[Figure, ...]:
    """Top-1, top-5, and the mean over classes of top-1."""
    top5 = [float(rank <= CUT) for rank in _ranks(records)]
    per_class = [float(np.mean(scores(several))) for several in by(records, CLASS).values()]
    return (mean("top-1", scores(records)), mean("top-5", top5), mean("mean per class", per_class))


def _later_first(found: np.ndarray, names: Sequence[str]) -> Sequence[int]:
    """BLIP's: of equal scores the later one."""
    return [int(one) for one in found.argsort()[::-1]]


def _by_name(found: np.ndarray, names: Sequence[str]) -> Sequence[int]:
    """trec_eval's: of equal scores the last name."""
    place = {name: number for number, name in enumerate(names)}
    return [place[name] for name in retrieval.ranked(dict(zip(names, map(float, found), strict=True)))]


def _earlier_first(found: np.ndarray, names: Sequence[str]) -> Sequence[int]:
    return [int(one) for one in np.argsort(-found, kind="stable")]


def _query(
    kind: str, side: Side, number: int, part: Text | Image, right: Sequence[int], names: Sequence[str], **groups: str
) -> Query:
    gold = {"right": [names[one] for one in right]}
    return Query(Item(f"{kind} {number}", (part,), gold, groups), side, number, tuple(right))


def _captions(folder: Path, split: str, limit: int | None) -> Field:
    found = embedding.pairs(folder, split, limit=limit)
    pictures, texts = (tuple(map(str, range(len(side)))) for side in (found.pictures, found.texts))
    texts_of = _owned(found.image_of, len(pictures))
    queries = [
        _query("image", "pictures", number, picture, texts_of[number], texts, **{FOUND: "text"})
        for number, picture in enumerate(found.pictures)
        if texts_of[number]
    ]
    queries += [
        _query("text", "texts", number, Text(text), [found.image_of[number]], pictures, **{FOUND: "image"})
        for number, text in enumerate(found.texts)
    ]
    return Field(tuple((text,) for text in found.texts), texts, found.pictures, pictures, tuple(queries), found.bad)


def _owned(owner: Sequence[int], owners: int) -> list[list[int]]:
    owned: list[list[int]] = [[] for _ in range(owners)]
    for number, one in enumerate(owner):
        owned[one].append(number)
    return owned


def _documents(folder: Path, split: str, limit: int | None) -> Field:
    found = embedding.pages(folder, split, limit)
    place = {name: number for number, name in enumerate(found.names)}
    queries = [
        _query("question", "texts", number, Text(text), [place[page]], found.names)
        for number, (text, page) in enumerate(zip(found.questions, found.page_of, strict=True))
    ]
    names = tuple(map(str, range(len(queries))))
    return Field(tuple((text,) for text in found.questions), names, found.pictures, found.names, tuple(queries), found.bad)


def _named(folder: Path, split: str, limit: int | None) -> Field:
    found = embedding.classes(folder, split)
    shown = list(islice(found.pictures(), limit))
    beyond = next((number for _, number in shown if not 0 <= number < len(found.names)), None)
    if beyond is not None:
        raise UserError(f"{folder} shows a picture of class {beyond}, and classnames.txt names {len(found.names)}")
    queries = [
        _query("image", "pictures", number, picture, [right], found.names, **{CLASS: found.names[right]})
        for number, (picture, right) in enumerate(shown)
    ]
    pictures = tuple(picture for picture, _ in shown)
    texts = tuple(tuple(prompts) for prompts in found.prompts())
    return Field(texts, found.names, pictures, tuple(map(str, range(len(pictures)))), tuple(queries))


def _task(name: str, title: str, paper: str, layout: Layout, reference: str, sums: Callable[..., tuple[Figure, ...]]) -> Task:
    return Task(
        name=name,
        title=title,
        paper=paper,
        layouts=(layout,),
        id=lambda row: row.where,
        prompts={"as it is": lambda row: ()},
        gold=lambda row: {},
        judges={reference: _judge},
        max_tokens=0,
        sums=sums,
        note="for models that make vectors (`embed`)",
        answers="compared",
    )


_CLIP_BENCHMARK = Layout(("{split}/*.tar",))
_COCO = ("coco-retrieval", "COCO retrieval, Karpathy's test", "1504.00325", embedding.KARPATHY, "BLIP itm_eval", _recalls)
_FLICKR = ("flickr30k-retrieval", "Flickr30k retrieval", "1505.04870", embedding.FLICKR, "BLIP itm_eval", _recalls)
_VIDORE = ("vidore", "ViDoRe, first edition", "2407.01449", embedding.PAGES, "trec_eval", _pages)
_ZERO_SHOT = ("zero-shot", "zero-shot classes, CLIP benchmark's layout", "2103.00020", _CLIP_BENCHMARK, "open_clip", _classes)
_ALL = (
    Comparison(_task(*_COCO), _captions, _later_first),
    Comparison(_task(*_FLICKR), _captions, _later_first),
    Comparison(_task(*_VIDORE), _documents, _by_name),
    Comparison(_task(*_ZERO_SHOT), _named, _earlier_first),
)
COMPARED = {one.task.name: one for one in _ALL}
