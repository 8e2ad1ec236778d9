"""What a benchmark is, as a value, and what becomes of one of its questions: item, request, reply, judgement, figures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from chiasm.errors import UserError
from chiasm.evaluate.benchmarks.figures import Figure, overall_and_groups
from chiasm.evaluate.benchmarks.sought import Sought, nothing
from chiasm.prompt.messages import Image, Message, Text

if TYPE_CHECKING:
    from chiasm.assistant import Request
    from chiasm.evaluate.benchmarks.rows import Layout, Row


@dataclass(frozen=True)
class Clip:
    """A place for a video, or a stretch of one in seconds; a policy of frames makes pictures of it. `rate`: of a folder of
    frames, how many there are to a second."""

    video: str
    start: float | None = None
    end: float | None = None
    rate: float = 1.0


Part = Text | Image | Clip
Ask = Callable[["Row"], tuple[Part, ...]]


@dataclass(frozen=True)
class Shot:
    """An example: another question, as it is shown and said, and its answer."""

    id: str
    parts: tuple[Part, ...]
    answer: str


@dataclass(frozen=True)
class FewShot:
    """How a benchmark is published with examples: which answer an example gives, of all that its gold holds, and what training
    splits are called."""

    answer: Callable[[Mapping[str, Any]], str]
    splits: tuple[str, ...] = ("train", "train2014")


@dataclass(frozen=True)
class Item:
    """One question: what is shown and said, what a scorer must know (`gold`, as JSON has it), the groups it counts in, and the
    examples before it."""

    id: str
    parts: tuple[Part, ...]
    gold: Mapping[str, Any]
    groups: Mapping[str, str]
    shots: tuple[Shot, ...] = ()


@dataclass(frozen=True)
class Judged:
    """A reply as it was read (`None`: nothing could be) and its score, of 1 at most."""

    parsed: Any
    score: float


@dataclass(frozen=True)
class Record:
    """A question that was answered, with all that scoring and summing up need."""

    id: str
    gold: Mapping[str, Any]
    groups: Mapping[str, str]
    reply: str
    judged: Judged

    def as_json(self) -> dict[str, Any]:
        """All of it, to be written down and read again by `from_json`."""
        judged = {"parsed": self.judged.parsed, "score": self.judged.score}
        return {"id": self.id, "gold": self.gold, "groups": dict(self.groups), "reply": self.reply, "judged": judged}

    @classmethod
    def from_json(cls, read: Mapping[str, Any]) -> Record:
        return cls(read["id"], read["gold"], read["groups"], read["reply"], Judged(**read["judged"]))


Judge = Callable[[Mapping[str, Any], str], Judged]
Sum = Callable[[Sequence[Record]], tuple[Figure, ...]]
Frames = Callable[[Clip], Sequence[object]]


@dataclass(frozen=True)
class Summary:
    """The numbers of a run, the headline first, how many replies could not be read, and whose rules were followed."""

    figures: tuple[Figure, ...]
    unparsed: int
    answered: int
    reference: str


@dataclass(frozen=True)
class Task:
    """A benchmark. Of `layouts` the first whose files a folder holds is read; of `prompts` and `judges`, by the names of who
    publishes them, the first is the default. `note` says what a score of it leaves out. `answers`: "chosen" takes an option
    by its log-probability, where a question has options (`choices` in its gold) and the model can score; "compared" asks for
    vectors, not for words. `sought`: what a
    model that judges is asked about a reply, if anything; `few`: how it is published with examples, if it is."""

    name: str
    title: str
    paper: str
    layouts: tuple[Layout, ...]
    id: Callable[[Row], str]
    prompts: Mapping[str, Ask]
    gold: Callable[[Row], Mapping[str, Any]]
    judges: Mapping[str, Judge]
    max_tokens: int
    groups: Callable[[Row], Mapping[str, str]] = lambda row: MappingProxyType({})
    sums: Sum = overall_and_groups
    note: str = ""
    answers: Literal["written", "chosen", "compared"] = "written"
    sought: Callable[[Mapping[str, Any]], Sought | None] = nothing
    few: FewShot | None = None
    splits: tuple[str, ...] = field(default=("test",))

    def asking(self, prompt: str | None = None) -> Ask:
        """A prompt by its name. Raises `UserError` for one that the benchmark does not have."""
        return _chosen(self.name, "prompt", self.prompts, prompt)

    def judging(self, reference: str | None = None) -> Judge:
        """The rules of a reference by its name. Raises `UserError` for one that the benchmark does not have."""
        return _chosen(self.name, "reference", self.judges, reference)

    def item(self, row: Row, prompt: str | None = None) -> Item:
        """A row as a question by a named prompt."""
        ask = self.asking(prompt)
        return Item(self.id(row), ask(row), self.gold(row), self.groups(row))

    def request(self, item: Item, frames: Frames | None = None) -> Request:
        """An item ready for a model; `frames` makes pictures of its videos. Raises `UserError` for a video without it."""
        from chiasm.assistant import Request

        turns: list[Message] = []
        for shot in item.shots:
            turns += [Message("user", self._content(shot.parts, frames)), Message("assistant", (Text(shot.answer),))]
        return Request((*turns, Message("user", self._content(item.parts, frames))), max_tokens=self.max_tokens)

    def _content(self, parts: Sequence[Part], frames: Frames | None) -> tuple[Text | Image, ...]:
        content: list[Text | Image] = []
        for part in parts:
            match part:
                case Clip():
                    if frames is None:
                        raise UserError(f"{self.name} shows videos ({part.video}): say how frames are chosen from them")
                    content += [Image(picture) for picture in frames(part)]
                case _:
                    content.append(part)
        return tuple(content)

    def judge(self, item: Item | Record, reply: str, reference: str | None = None) -> Judged:
        """A reply to an item by the rules of a named reference."""
        return self.judging(reference)(item.gold, reply)

    def record(self, item: Item | Record, reply: str, reference: str | None = None) -> Record:
        """An item with its reply, judged; given a record, it is judged anew."""
        return Record(item.id, item.gold, item.groups, reply, self.judge(item, reply, reference))

    def summary(self, records: Sequence[Record], reference: str | None = None) -> Summary:
        """The numbers of a run. Raises `UserError` for an empty one."""
        if not records:
            raise UserError(f"{self.name}: no question was answered, so there is nothing to sum up")
        unparsed = sum(record.judged.parsed is None for record in records)
        return Summary(self.sums(records), unparsed, len(records), reference or next(iter(self.judges)))


Choice = TypeVar("Choice")


def _chosen(task: str, kind: str, known: Mapping[str, Choice], name: str | None) -> Choice:
    if name is None:
        return next(iter(known.values()))
    if name not in known:
        raise UserError(f"{task} has no {kind} called {name!r}: known are {', '.join(known)}")
    return known[name]


def pictures_of(item: Item) -> list[Any]:
    return [part.picture for part in item.parts if isinstance(part, Image)]


def pictures_digest(item: Item) -> list[str]:
    """Of pictures their bytes' hash; of videos, which are long, the name and how many bytes there are."""
    found = [_extent(part) for part in item.parts if isinstance(part, Clip)]
    for picture in pictures_of(item):
        if isinstance(picture, str | Path):
            file = Path(picture)
            found.append(hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else f"absent {file.name}")
        else:
            found.append(hashlib.sha256(picture if isinstance(picture, bytes) else np.asarray(picture).tobytes()).hexdigest())
    return found


def _extent(clip: Clip) -> str:
    file = Path(clip.video)
    return f"{file.name} {file.stat().st_size if file.is_file() else ''} {clip.start} {clip.end}"


def shows(item: Item) -> bool:
    """Whether there is anything to see."""
    return any(isinstance(part, Image | Clip) for part in item.parts)


def repictured(item: Item, change: Callable[[Image | Clip], Image | Clip | None]) -> Item:
    """The same question with other pictures or videos, or none where `change` gives `None`."""
    parts = (change(part) if isinstance(part, Image | Clip) else part for part in item.parts)
    return replace(item, parts=tuple(part for part in parts if part is not None))
