"""The check itself: training rows pass by in blocks, and what each block held of the evaluation is written down at once.

Nothing of the training data is kept, so its size costs time alone. The log is a line for each block; a check that was stopped
goes on behind its last whole line.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from chiasm.errors import UserError
from chiasm.evaluate.benchmarks.rows import Bad
from chiasm.evaluate.leaks.alike import Near, near, stacked
from chiasm.evaluate.leaks.evaluation import AT_ONCE, Evaluation, Opened, blocks, opened
from chiasm.evaluate.leaks.given import Given
from chiasm.evaluate.leaks.looks import Signature
from chiasm.weights.write import write_json

MANIFEST, LOG = "manifest.json", "blocks.jsonl"
VERSION = 1
"""Of the rules by which pairs are found: a check by others is not gone on with."""
LISTED = 20
"""Training rows that are written down at most for one picture or text and one way in which it stands there."""


@dataclass(frozen=True)
class Seen:
    """A picture of the evaluation, by its number, in a training row: the same file, the same pixels, or near; `small` is what
    the first near one looks like, a JPEG in base 64."""

    picture: int
    where: str
    level: str
    shows: str
    waves: int = 0
    steps: int = 0
    likeness: float = 1.0
    small: str = ""


@dataclass(frozen=True)
class Read:
    """A row of the evaluation, by its number, whose text stands in a training row; `pictured`: so does its picture."""

    item: int
    where: str
    level: str
    share: float
    pictured: bool


@dataclass(frozen=True)
class Block:
    """What some training rows held: `runs` are those that stood nowhere before."""

    rows: int
    pictures: int
    seen: tuple[Seen, ...]
    read: tuple[Read, ...]
    runs: tuple[int, ...]
    bad: tuple[Bad, ...]


def checked(evaluation: Evaluation, rows: Iterable[Given | Bad], folder: Path, facts: Mapping[str, Any]) -> Iterator[Block]:
    """Every block, those of an earlier start first. `facts` say what was looked through. Raises `UserError` where the folder
    holds another check."""
    begin(folder, {**facts, "evaluation": evaluation.digest})
    done = 0
    listed: Counter[tuple[object, ...]] = Counter()
    for block in logged(folder):
        done += block.rows
        listed.update((*map(_way, block.seen), *map(_way, block.read)))
        evaluation.texts.found[list(block.runs)] = True
        yield block
    with tqdm(desc="training data", initial=done, unit="row", disable=None) as bar:
        for some in blocks(islice(rows, done, None), AT_ONCE):
            block = _first(searched(evaluation, list(opened(some))), listed)
            with writing(folder), (folder / LOG).open("a", encoding="utf-8") as log:
                log.write(json.dumps(asdict(block), ensure_ascii=False) + "\n")
            bar.update(len(some))
            yield block


def begin(folder: Path, facts: Mapping[str, Any]) -> None:
    """Writes down what is checked. Raises `UserError` where the folder holds a check of something else."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    kept, said = folder / MANIFEST, json.loads(json.dumps(facts))
    if kept.is_file():
        before = json.loads(kept.read_text(encoding="utf-8"))
        unlike = sorted(name for name in before.keys() | said.keys() if before.get(name) != said.get(name))
        if unlike:
            raise UserError(f"{folder} holds a check with another {', '.join(unlike)}: name another folder for --output")
        return
    with writing(folder):
        write_json(kept, said)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Says what to do where a folder takes no more; what it holds stays."""
    try:
        yield
    except OSError as e:
        raise UserError(
            f"{folder} cannot be written ({e.strerror}): make room and start the same check again, or name another --output"
        ) from e


def logged(folder: Path) -> list[Block]:
    """The blocks of an earlier start; a line that was cut short is dropped from the file."""
    file = folder / LOG
    if not file.is_file():
        return []
    whole, end, _ = file.read_bytes().rpartition(b"\n")
    with file.open("rb+") as opened_again:
        opened_again.truncate(len(whole) + len(end))
    return [_block(json.loads(line)) for line in whole.decode("utf-8").split("\n") if line]


def _block(said: Mapping[str, Any]) -> Block:
    seen, read = tuple(Seen(**one) for one in said["seen"]), tuple(Read(**one) for one in said["read"])
    return Block(said["rows"], said["pictures"], seen, read, tuple(said["runs"]), tuple(Bad(**one) for one in said["bad"]))


def _first(block: Block, listed: Counter[tuple[object, ...]]) -> Block:
    """Without what was written down often enough: an empty page or "What is this?" stands in thousands of rows."""

    def new(one: Seen | Read) -> bool:
        listed[_way(one)] += 1
        return listed[_way(one)] <= LISTED

    seen = [one if listed[_way(one)] == 1 else replace(one, small="") for one in block.seen if new(one)]
    return replace(block, seen=tuple(seen), read=tuple(filter(new, block.read)))


def _way(one: Seen | Read) -> tuple[object, ...]:
    match one:
        case Seen():
            return "seen", one.picture, one.level
        case Read():
            return "read", one.item, one.level, one.pictured


def searched(evaluation: Evaluation, rows: Sequence[Opened]) -> Block:
    """What training rows hold of an evaluation."""
    pictures = [(number, source, one) for number, (_, signed, _) in enumerate(rows) for source, one in signed]
    wheres = [given.where if given else "" for given, _, _ in rows]
    seen: dict[tuple[int, int], Seen] = {}
    for place, level, close in _pictures(evaluation, pictures):
        number, source, signed = pictures[place]
        shows = str(source) if isinstance(source, Path) else "stored in the row"
        numbers = (close.waves, close.steps, close.likeness)
        small = base64.b64encode(signed.shown).decode() if level == "near" else ""
        seen.setdefault((number, close.first), Seen(close.first, wheres[number], level, shows, *numbers, small))
    shown = {(number, item) for number, picture in seen for item in evaluation.shown_by[picture]}
    usable = [number for number, (given, _, _) in enumerate(rows) if given]
    hits, runs = evaluation.texts.hits([(given.exchanges, given.others) for given, _, _ in rows if given])
    read = [
        Read(hit.item, wheres[number], hit.level, hit.share, (number, hit.item) in shown)
        for number, some in zip(usable, hits, strict=True)
        for hit in some
    ]
    bad = tuple(one for _, _, wrong in rows for one in wrong)
    return Block(len(rows), len(pictures), tuple(seen.values()), tuple(read), tuple(runs), bad)


def _pictures(evaluation: Evaluation, found: Sequence[tuple[int, Any, Signature]]) -> Iterator[tuple[int, str, Near]]:
    """Training pictures by their place, with the evaluation's that they are, the surest first."""
    for place, (_, _, one) in enumerate(found):
        if one.file in evaluation.files:
            yield place, "same file", Near(evaluation.files[one.file], place, 0, 0, 1.0)
        elif one.pixels in evaluation.pixels:
            yield place, "same pixels", Near(evaluation.pixels[one.pixels], place, 0, 0, 1.0)
    theirs = stacked([one.look for _, _, one in found])
    if evaluation.stack and theirs:
        for close in near(evaluation.stack, theirs):
            yield close.second, "near", close
