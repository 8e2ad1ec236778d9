"""Pairs side by side as one HTML file that asks nothing of any address: whether near is the same, a person sees at once."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from chiasm.evaluate.leaks.report import Found, notes, rows
from chiasm.weights.write import write_text

HERE = Path(__file__).parent
PAGE = "pairs.html"
MOST = 400
"""Pairs on a page, of pictures, of clips, and of texts."""
LONGEST = 400


@dataclass(frozen=True)
class Pictured:
    """A picture or clip of the evaluation and the first near one, as data addresses, and where both stand."""

    names: Sequence[str]
    question: str
    mine: str
    theirs: str
    where: str
    shows: str
    told: str


@dataclass(frozen=True)
class Worded:
    """A text of the evaluation that stands in a training row."""

    name: str
    question: str
    where: str
    told: str


def pictured(made: Found) -> Iterator[Pictured]:
    """Of pictures, the least alike first: they are what a person should look at."""
    evaluation = made.evaluation
    for seen in sorted((one for one in made.seen if one.small), key=lambda one: one.likeness):
        showing = evaluation.shown_by[seen.picture]
        mine = base64.b64encode(evaluation.pictures[seen.picture].shown).decode()
        told = f"likeness {seen.likeness:.3f}; {seen.waves} and {seen.steps} bits of 64 differ"
        names, question = [evaluation.names[item] for item in showing], evaluation.questions[showing[0]][:LONGEST]
        yield Pictured(names, question, _address(mine), _address(seen.small), seen.where, seen.shows, told)


def filmed(made: Found) -> Iterator[Pictured]:
    """Of clips, some frames of each, in the same order."""
    evaluation = made.evaluation
    for one in sorted((one for one in made.watched if one.small), key=lambda one: one.likeness):
        showing = evaluation.filmed_by[one.clip]
        mine = base64.b64encode(evaluation.clips[one.clip].shown).decode()
        told = f"{one.share:.0%} of the frames that could be alike are so, in one order; likeness {one.likeness:.3f}"
        names, question = [evaluation.names[item] for item in showing], evaluation.questions[showing[0]][:LONGEST]
        yield Pictured(names, question, _address(mine), _address(one.small), one.where, one.shows, told)


def worded(made: Found) -> Iterator[Worded]:
    """Each text once, in its surest way; those whose picture stands in the same row first."""
    evaluation, surest, told_of = made.evaluation, made.by_text(), set[int]()
    for read in sorted(made.read, key=lambda one: (not one.pictured, -one.share)):
        if read.level == surest[read.item] and read.item not in told_of:
            told_of.add(read.item)
            told = f"{read.level}, {read.share:.0%} of its runs" if read.share else read.level
            told += "; the same row shows the picture" if read.pictured else ""
            yield Worded(evaluation.names[read.item], evaluation.questions[read.item][:LONGEST], read.where, told)


def _address(encoded: str) -> str:
    return f"data:image/jpeg;base64,{encoded}"


def write(made: Found, folder: Path) -> Path:
    """Writes the page and says where."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), undefined=jinja2.StrictUndefined, autoescape=True, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    pictures, clips, texts = list(pictured(made)), list(filmed(made)), list(worded(made))
    heading, *table = rows(made)
    page = environment.get_template("pairs.html.jinja").render(
        heading=heading, table=table, notes=list(notes(made)), pictures=pictures[:MOST], all_pictures=len(pictures),
        clips=clips[:MOST], all_clips=len(clips), texts=texts[:MOST], all_texts=len(texts),
    )  # fmt: skip
    write_text(folder / PAGE, page)
    return folder / PAGE
