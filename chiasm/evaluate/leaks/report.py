"""What a check found, as counts, as a table, and as lines of JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.evaluate.benchmarks.rows import Bad
from chiasm.evaluate.intervals import wilson
from chiasm.evaluate.leaks.check import Block, Read, Seen, Watched
from chiasm.evaluate.leaks.evaluation import Evaluation
from chiasm.evaluate.leaks.follow import LEAST
from chiasm.evaluate.leaks.texts import COMMON, RUN
from chiasm.weights.write import write_json, write_text

PAIRS, BAD, RESULT = "pairs.jsonl", "bad.jsonl", "result.json"
SEEN = ("same file", "same pixels", "near")
WATCHED = ("same file", "same frames", "near")
READ = ("question and answer", "question", "answer", "runs")
PARTS = (0.8, 0.5, 0.2)
"""Shares of a text's runs that are counted."""
TOLD = 3
"""Bad rows that a table names."""


@dataclass
class Found:
    """Everything so far: the surest way in which each picture, clip and text stands in the training data."""

    evaluation: Evaluation
    rows: int = 0
    pictures: int = 0
    clips: int = 0
    seen: list[Seen] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)
    read: list[Read] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)

    def add(self, block: Block) -> None:
        self.rows += block.rows
        self.pictures += block.pictures
        self.clips += block.clips
        self.seen += block.seen
        self.watched += block.watched
        self.read += block.read
        self.bad += block.bad

    def by_picture(self) -> dict[int, str]:
        return _surest(((one.picture, one.level) for one in self.seen), SEEN)

    def by_clip(self) -> dict[int, str]:
        return _surest(((one.clip, one.level) for one in self.watched), WATCHED)

    def by_text(self) -> dict[int, str]:
        return _surest(((one.item, one.level) for one in self.read), READ)

    def together(self) -> dict[int, str]:
        """Rows whose picture or clip and question stand in one training row."""
        return _surest(((one.item, one.level) for one in self.read if one.pictured and one.level in READ[:2]), READ)


def found(evaluation: Evaluation, blocks: Iterable[Block]) -> Found:
    made = Found(evaluation)
    for block in blocks:
        made.add(block)
    return made


def _surest(ways: Iterable[tuple[int, str]], order: tuple[str, ...]) -> dict[int, str]:
    best: dict[int, str] = {}
    for number, level in ways:
        if number not in best or order.index(level) < order.index(best[number]):
            best[number] = level
    return best


@dataclass(frozen=True)
class Line:
    """A line of the table: how many of what stand in the training data, and how."""

    what: str
    how: str
    count: int
    of: int


def lines(made: Found) -> Iterator[Line]:
    """Each picture, clip and text in the surest way, so that a block of lines adds up; shares of runs count beside them."""
    evaluation = made.evaluation
    texts, pictures = sum(map(bool, evaluation.questions)), len(evaluation.pictures)
    if pictures:
        yield from _counted("pictures", SEEN, made.by_picture(), pictures)
    if evaluation.clips:
        yield from _counted("clips", WATCHED, made.by_clip(), len(evaluation.clips))
    if texts:
        yield from _counted("texts, whole", READ[:3], made.by_text(), texts)
        covered = evaluation.texts.covered()
        long = int((~np.isnan(covered)).sum())
        for part in PARTS:
            how = f"{part:.0%} of the runs of {RUN} words or more"
            yield Line("texts, in runs", how, int((covered >= part).sum()), long)
    if (pictures or evaluation.clips) and texts:
        showing = {item for some in (*evaluation.shown_by, *evaluation.filmed_by) for item in some}
        what = "clip" if not pictures else "picture or clip" if evaluation.clips else "picture"
        yield from _counted(f"{what} and text in one row", READ[:2], made.together(), len(showing))


def _counted(what: str, order: tuple[str, ...], levels: dict[int, str], of: int) -> Iterator[Line]:
    counts = Counter(levels.values())
    for level in order:
        yield Line(what, level, counts[level], of)


HEADINGS = ("of the evaluation", "stands in the training data as", "count", "of", "share", "95 %")


def rows(made: Found) -> Iterator[tuple[str, ...]]:
    yield HEADINGS
    last = ""
    for line in lines(made):
        share = wilson(line.count, line.of) if line.of else None
        cells = (f"{share.value:.1%}", f"{100 * share.low:.1f} to {100 * share.high:.1f}") if share else ("", "")
        yield (line.what if line.what != last else "", line.how, f"{line.count:,}", f"{line.of:,}", *cells)
        last = line.what


def notes(made: Found) -> Iterator[str]:
    """What a reader of the table must know."""
    evaluation = made.evaluation
    clips = f" and {made.clips:,} clips" if made.clips else ""
    yield f"Looked through: {made.rows:,} training rows with {made.pictures:,} pictures{clips} that could be opened."
    even = sum(one.look is None for one in evaluation.pictures)
    if even:
        yield f"{even:,} evaluation pictures are even all over: only the same file or pixels are found of them."
    short = sum(len(one.looks) < LEAST for one in evaluation.clips)
    if short:
        yield f"{short:,} evaluation clips have fewer than {LEAST} frames to compare: only the same file or frames are found."
    if evaluation.texts.common:
        many = f"{evaluation.texts.common:,} runs of {RUN} words stand in more than {COMMON} evaluation rows"
        yield f"{many} and are left out as a prompt's."
    for name, bad in (("evaluation", evaluation.bad), ("training data", made.bad)):
        if bad:
            yield f"What could not be used in the {name}: {len(bad):,}; first of them:"
            yield from (f"  {one.where}: {one.why}" for one in bad[:TOLD])


def as_json(made: Found) -> dict[str, Any]:
    return {
        "evaluation rows": len(made.evaluation.names),
        "evaluation pictures": len(made.evaluation.pictures),
        "evaluation clips": len(made.evaluation.clips),
        "training rows": made.rows,
        "training pictures": made.pictures,
        "training clips": made.clips,
        "lines": [{"what": one.what, "how": one.how, "count": one.count, "of": one.of} for one in lines(made)],
        "runs left out": made.evaluation.texts.common,
        "unusable in the evaluation": [[one.where, one.why] for one in made.evaluation.bad],
        "unusable in the training data": len(made.bad),
    }


def write(made: Found, folder: Path) -> None:
    """The numbers, a line for each pair (of one picture or text and one way the first twenty), and all bad rows."""
    write_json(folder / RESULT, as_json(made))
    write_text(folder / PAIRS, "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in pairs(made)))
    bad = [{"where": one.where, "why": one.why} for one in (*made.evaluation.bad, *made.bad)]
    write_text(folder / BAD, "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in bad))


def pairs(made: Found) -> Iterator[dict[str, Any]]:
    evaluation = made.evaluation
    for seen in made.seen:
        shown_by = [evaluation.names[item] for item in evaluation.shown_by[seen.picture]]
        yield {
            "kind": "picture", "level": seen.level, "evaluation": shown_by, "training": seen.where, "file": seen.shows,
            "waves": seen.waves, "steps": seen.steps, "likeness": seen.likeness,
        }  # fmt: skip
    for one in made.watched:
        filmed_by = [evaluation.names[item] for item in evaluation.filmed_by[one.clip]]
        yield {
            "kind": "clip", "level": one.level, "evaluation": filmed_by, "training": one.where, "file": one.shows,
            "share of frames": one.share, "likeness": one.likeness,
        }  # fmt: skip
    for read in made.read:
        yield {
            "kind": "text", "level": read.level, "evaluation": [evaluation.names[read.item]], "training": read.where,
            "share": read.share, "same row shows the picture": read.pictured,
        }  # fmt: skip
