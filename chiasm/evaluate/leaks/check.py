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
from typing import Any, TypeVar

from tqdm import tqdm

from chiasm.errors import UserError
from chiasm.evaluate.benchmarks.rows import Bad
from chiasm.evaluate.leaks.alike import Near, near, stacked
from chiasm.evaluate.leaks.evaluation import AT_ONCE, Evaluation, Opened, blocks, opened
from chiasm.evaluate.leaks.follow import same, shelved
from chiasm.evaluate.leaks.given import Given
from chiasm.evaluate.leaks.looks import Signature
from chiasm.weights.write import write_json

MANIFEST, LOG = "manifest.json", "blocks.jsonl"
VERSION = 2
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
class Watched:
    """A clip of the evaluation, by its number, in a training row: the same file, the same frames, or near; the `share` of its
    frames, and how alike they are; `small` shows some of the first near one."""

    clip: int
    where: str
    level: str
    shows: str
    share: float = 1.0
    likeness: float = 1.0
    small: str = ""


@dataclass(frozen=True)
class Read:
    """A row of the evaluation, by its number, whose text stands in a training row; `pictured`: so does its picture or
    its clip."""

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
    clips: int
    seen: tuple[Seen, ...]
    watched: tuple[Watched, ...]
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
        found: list[Seen | Watched | Read] = [*block.seen, *block.watched, *block.read]
        listed.update(map(_way, found))
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
    seen, watched = tuple(Seen(**one) for one in said["seen"]), tuple(Watched(**one) for one in said["watched"])
    read, bad = tuple(Read(**one) for one in said["read"]), tuple(Bad(**one) for one in said["bad"])
    return Block(said["rows"], said["pictures"], said["clips"], seen, watched, read, tuple(said["runs"]), bad)


def _first(block: Block, listed: Counter[tuple[object, ...]]) -> Block:
    """Without what was written down often enough: an empty page or "What is this?" stands in thousands of rows."""

    def new(one: Seen | Watched | Read) -> bool:
        listed[_way(one)] += 1
        return listed[_way(one)] <= LISTED

    def small(one: Pictured) -> Pictured:
        return one if listed[_way(one)] == 1 else replace(one, small="")

    seen, watched = [small(one) for one in block.seen if new(one)], [small(one) for one in block.watched if new(one)]
    return replace(block, seen=tuple(seen), watched=tuple(watched), read=tuple(filter(new, block.read)))


Pictured = TypeVar("Pictured", Seen, Watched)


def _way(one: Seen | Watched | Read) -> tuple[object, ...]:
    match one:
        case Seen():
            return "seen", one.picture, one.level
        case Watched():
            return "watched", one.clip, one.level
        case Read():
            return "read", one.item, one.level, one.pictured


def searched(evaluation: Evaluation, rows: Sequence[Opened]) -> Block:
    """What training rows hold of an evaluation."""
    wheres = [row.given.where if row.given else "" for row in rows]
    seen, watched = _seen(evaluation, rows, wheres), _watched(evaluation, rows, wheres)
    shown = {(number, item) for number, picture in seen for item in evaluation.shown_by[picture]}
    shown |= {(number, item) for number, clip in watched for item in evaluation.filmed_by[clip]}
    usable = [(number, row.given) for number, row in enumerate(rows) if row.given]
    hits, runs = evaluation.texts.hits([(given.exchanges, given.others) for _, given in usable])
    read = [
        Read(hit.item, wheres[number], hit.level, hit.share, (number, hit.item) in shown)
        for (number, _), some in zip(usable, hits, strict=True)
        for hit in some
    ]
    bad = tuple(one for row in rows for one in row.wrong)
    pictures, clips = (sum(map(len, several)) for several in ([row.pictures for row in rows], [row.clips for row in rows]))
    return Block(len(rows), pictures, clips, tuple(seen.values()), tuple(watched.values()), tuple(read), tuple(runs), bad)


def _seen(evaluation: Evaluation, rows: Sequence[Opened], wheres: Sequence[str]) -> dict[tuple[int, int], Seen]:
    """By row and by picture of the evaluation, each in its surest way."""
    pictures = [(number, source, one) for number, row in enumerate(rows) for source, one in row.pictures]
    found: dict[tuple[int, int], Seen] = {}
    for place, level, close in _pictures(evaluation, pictures):
        number, source, signed = pictures[place]
        shows = str(source) if isinstance(source, Path) else "stored in the row"
        numbers = (close.waves, close.steps, close.likeness)
        small = base64.b64encode(signed.shown).decode() if level == "near" else ""
        found.setdefault((number, close.first), Seen(close.first, wheres[number], level, shows, *numbers, small))
    return found


def _watched(evaluation: Evaluation, rows: Sequence[Opened], wheres: Sequence[str]) -> dict[tuple[int, int], Watched]:
    """By row and by clip of the evaluation, each in its surest way."""
    clips = [(number, source, one) for number, row in enumerate(rows) for source, one in row.clips]
    found: dict[tuple[int, int], Watched] = {}
    for number, source, one in clips:
        for level, known in (
            ("same file", evaluation.clip_files.get(one.file)),
            ("same frames", evaluation.clip_frames.get(one.frames)),
        ):
            if known is not None:
                found.setdefault((number, known), Watched(known, wheres[number], level, str(source)))
    for close in same(evaluation.shelf, shelved([one for _, _, one in clips])):
        number, source, one = clips[close.second]
        small = base64.b64encode(one.shown).decode()
        near_one = Watched(close.first, wheres[number], "near", str(source), close.share, close.likeness, small)
        found.setdefault((number, close.first), near_one)
    return found


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
