"""Rows of any table that pictures, clips and texts are kept in, with what is shown and said in each.

Known are a person's own tables as `chiasm eval` reads them, the hub's and VLMEvalKit's rows, LLaVA's `conversations`, OpenAI's
`messages`, and the `texts` of The Cauldron; a folder without a table is its pictures.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chiasm.evaluate.benchmarks.rows import Row, Unusable, named
from chiasm.evaluate.leaks.clips import ENDINGS
from chiasm.evaluate.leaks.texts import Exchange

PICTURES = ("decoded_image", "image", "images", "picture", "pictures", "image_path", "img", "file_name", "jpg", "png", "webp")
CLIPS = ("video", "videos", "video_path", "video_file", "clip", "clips")
NUMBERED = re.compile(r"image_?\d+")
QUESTIONS = ("question", "query", "instruction", "problem", "prompt")
ANSWERS = ("answer", "answers", "multiple_choice_answer", "response", "output", "label", "solution", "caption", "captions")
OTHERS = ("text", "sentences", "hint", "context", "choices", "options", "title", "passage", *"ABCDEFGH")
TURNS = ("conversations", "conversation", "messages")
ASKS, REPLIES = ("human", "user"), ("gpt", "assistant", "model")
MARK = re.compile(r"</?(?:image|img|video|Image)>|<\|?image_?\d*\|?>|<\|?image_pad\|?>")
"""What stands for a picture in a text."""

Source = Path | bytes | str


@dataclass(frozen=True)
class Given:
    """A row: where it stands, its pictures unopened, what is asked and answered in it, and what else is said."""

    name: str
    where: str
    pictures: tuple[Source, ...]
    exchanges: tuple[Exchange, ...]
    others: tuple[str, ...]
    wrong: tuple[str, ...] = ()
    """Of what is not there, or is no text: why."""
    clips: tuple[Path, ...] = ()
    """Files, or folders of frames."""


def given(row: Row, pictures: Path | None = None) -> Given:
    """A row as it is looked through; files are named from `pictures`, else from beside the table. Raises `Unusable` where
    it holds neither a picture nor a text."""
    wrong: list[str] = []
    shown, clips = list(_pictures(row, pictures or row.folder, wrong)), list(_clips(row, pictures or row.folder, wrong))
    exchanges = [*_turns(row), *_columns(row, wrong)]
    others = [text for name in OTHERS for text in _texts(row.get(name), name, wrong)]
    if not shown and not clips and not exchanges and not others:
        raise Unusable("; ".join(wrong) or f"neither a picture nor a text is known by its columns: {', '.join(row.values)}")
    name = row.get("id", "question_id", "index", "pid")
    called = str(row.where if name is None else name)
    return Given(called, row.where, tuple(shown), tuple(exchanges), tuple(others), tuple(wrong), tuple(clips))


def _pictures(row: Row, folder: Path, wrong: list[str]) -> Iterator[Source]:
    names = [name for name in PICTURES if row.get(name) is not None][:1]
    names += [name for name in row.values if NUMBERED.fullmatch(name) and row[name] is not None]
    for name in names:
        for value in _several(row[name]):
            if filmed(value):
                continue
            try:
                yield picture(value, folder, row.where)
            except Unusable as why:
                wrong.append(str(why))
    for message in _listed(row, TURNS):
        for part in _several(message.get("content")):
            if isinstance(part, Mapping) and part.get("type") in ("image", "image_url"):
                value = part.get("image", part.get("image_url"))
                try:
                    yield picture(value["url"] if isinstance(value, Mapping) and "url" in value else value, folder, row.where)
                except Unusable as why:
                    wrong.append(str(why))


def _clips(row: Row, folder: Path, wrong: list[str]) -> Iterator[Path]:
    """Of columns that are named so, of messages, and of columns of pictures that name a video."""
    values = [value for name in CLIPS for value in _several(row.get(name))]
    values += [value for name in PICTURES for value in _several(row.get(name)) if filmed(value)]
    for message in _listed(row, TURNS):
        for part in _several(message.get("content")):
            if isinstance(part, Mapping) and part.get("type") in ("video", "video_url"):
                value = part.get("video", part.get("video_url"))
                values.append(value["url"] if isinstance(value, Mapping) and "url" in value else value)
    for value in values:
        try:
            yield clip(value, folder)
        except Unusable as why:
            wrong.append(str(why))


def filmed(value: Any) -> bool:
    """Whether a cell names a video by its ending."""
    return isinstance(value, str) and Path(value).suffix.lower() in ENDINGS


def clip(value: Any, folder: Path) -> Path:
    """What a cell means by a clip. Raises `Unusable` for what is none, is not there, or is an address."""
    if not isinstance(value, str):
        raise Unusable(f"{_short(value)} is no clip: name a file or a folder of frames")
    if re.match(r"https?://", value):
        raise Unusable(f"{value[:80]!r} is an address, and nothing is fetched")
    place = named(folder, value.removeprefix("file://"))
    if place is None:
        raise Unusable(f"the clip {value[:80]} is not in {folder}")
    return place


def picture(value: Any, folder: Path, where: str) -> Source:
    """What a cell means by a picture. Raises `Unusable` for what is none, is not there, or is an address."""
    if isinstance(value, str) and value[:5].lower() == "data:":
        return value
    if isinstance(value, str) and re.match(r"https?://", value):
        raise Unusable(f"{value[:80]!r} is an address, and nothing is fetched")
    found = Row({"picture": value}, folder, where).picture("picture").picture
    assert isinstance(found, bytes | Path)
    return found


def _turns(row: Row) -> Iterator[Exchange]:
    """Exchanges of a conversation, in any of its spellings; a reply that nobody asked for is one too."""
    asked = ""
    for turn in _listed(row, TURNS):
        who, said = turn.get("from", turn.get("role")), _said(turn.get("value", turn.get("content")))
        if who in ASKS:
            asked = said
        elif who in REPLIES:
            yield Exchange(asked, (said,))
            asked = ""
    if asked:
        yield Exchange(asked, ())
    for turn in _listed(row, ("texts",)):
        yield Exchange(_said(turn.get("user")), (_said(turn.get("assistant")),))


def _listed(row: Row, names: Sequence[str]) -> list[Mapping[str, Any]]:
    return [turn for name in names for turn in _several(row.get(name)) if isinstance(turn, Mapping)]


def _said(value: Any) -> str:
    parts = [part if isinstance(part, str) else part.get("text") for part in _several(value) if isinstance(part, str | Mapping)]
    return MARK.sub(" ", "\n".join(part for part in parts if isinstance(part, str))).strip()


def _columns(row: Row, wrong: list[str]) -> Iterator[Exchange]:
    questions = [text for name in QUESTIONS for text in _texts(row.get(name), name, wrong)]
    answers = tuple(dict.fromkeys(text for name in ANSWERS for text in _texts(row.get(name), name, wrong)))
    if questions:
        yield from (Exchange(question, answers) for question in questions)
    elif answers:
        yield Exchange("", answers)


def _texts(value: Any, name: str, wrong: list[str]) -> list[str]:
    """The texts of a cell: one, several, those that people gave with more about them, or a list that was written down."""
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            value = [value]
    found = []
    for one in _several(value):
        said = next((one[key] for key in ("answer", "raw", "text") if key in one), None) if isinstance(one, Mapping) else one
        match said:
            case str():
                found.append(MARK.sub(" ", said).strip())
            case bool() | int() | float():
                found.append(str(said))
            case _:
                wrong.append(f"{name} is {_short(one)}, not text")
    return [text for text in found if text and text != "nan"]


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}..."


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
