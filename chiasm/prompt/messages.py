"""Conversations in the ecosystem's two spellings (OpenAI's and transformers'), read into frozen values."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from chiasm.errors import BadPrompt
from chiasm.pixels.clips import Clip
from chiasm.spec import Written

ROLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
INERT = frozenset({"role", "content", "name", "id"})


@dataclass(frozen=True)
class Text:
    """Words of a conversation.

    `literal` text was typed by somebody: nothing in it may become a control token. Text that the program itself wrote
    (a data set whose answers hold box tokens, say) is not literal and is tokenised like the template's own text.
    """

    text: str
    literal: bool = True

    def __post_init__(self) -> None:
        try:
            self.text.encode()
        except UnicodeEncodeError as e:
            said = f"character {e.start} is half of a pair, as in text that was read as UTF-8 and is not"
            raise BadPrompt(f"A text of the conversation is no Unicode text: {said}; decode it by its own encoding.") from None


@dataclass(frozen=True)
class Number(Text):
    """Words that tell a picture apart from others; the program wrote them."""

    literal: bool = False


@dataclass(frozen=True)
class Region(Text):
    """A rectangle of the picture that was shown last, (x0, y0, x1, y1) in its upright pixels, for models whose text can point
    at one; the model's own mark stands for it."""

    text: str = ""
    literal: bool = False
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Image:
    """A place for a picture; `picture` is a path, an address, a `data:` URL, bytes, a PIL picture, or (when the
    conversation only marks the place) the picture's number among those marked so. Nothing is opened here.

    Of a page that was read before, `words` are in reading order and `boxes` where each stands, (x0, y0, x1, y1) in upright
    pixels: for models that read pages so (UDOP). A `Clip` is a picture that moves."""

    picture: object
    words: tuple[str, ...] = ()
    boxes: tuple[tuple[float, float, float, float], ...] = ()

    @property
    def kind(self) -> Literal["image", "video"]:
        """What templates call it."""
        return "video" if isinstance(self.picture, Clip) else "image"


Part = Text | Image


@dataclass(frozen=True)
class Message:
    """One turn: who speaks, and what is said and shown, in order."""

    role: str
    content: tuple[Part, ...]

    @property
    def images(self) -> tuple[Image, ...]:
        return tuple(part for part in self.content if isinstance(part, Image))

    @property
    def pictures(self) -> tuple[object, ...]:
        return tuple(image.picture for image in self.images)


def question(text: str, pictures: Sequence[object] = (), *, literal: bool = True) -> Message:
    """A user's turn: the pictures, then the words. Raises `BadPrompt` if there are no words."""
    if not isinstance(text, str) or not text.strip():
        raise BadPrompt("The question is empty: write what you want to know about the picture.")
    return Message("user", (*(Image(picture) for picture in pictures), Text(text, literal)))


def numbered(messages: Sequence[Message], form: Written) -> tuple[Message, ...]:
    """The same with a number beside each picture, counted through the conversation; order is kept."""
    counts = {"image": itertools.count(1), "video": itertools.count(1)}

    def told(part: Part) -> tuple[Part, ...]:
        if not isinstance(part, Image):
            return (part,)
        words = form.before if part.kind == "image" else form.clip
        before = Number(words.format(number=next(counts[part.kind])))
        return (before, part, Text(form.after, literal=False)) if form.after else (before, part)

    return tuple(Message(m.role, tuple(one for part in m.content for one in told(part))) for m in messages)


def pictures_of(messages: Sequence[Message]) -> tuple[object, ...]:
    """Every picture of a conversation, in the order in which it is written."""
    return tuple(picture for message in messages for picture in message.pictures)


def read_messages(raw: Sequence[Message | Mapping[str, object]], *, literal: bool = True) -> tuple[Message, ...]:
    """Reads a conversation.

    A message is `{"role": ..., "content": ...}` (or already a `Message`); its content is a string or a list of parts.
    Read are `{"type": "text", "text": ...}`, OpenAI's `{"type": "image_url", "image_url": {"url": ...}}` and
    transformers' `{"type": "image"}` alone or with one of `image`, `path`, `url`, `base64`, and `{"type": "video"}` with
    `video` or `path`; the `words` of a page and their `boxes` may stand beside a picture. Keys whose value is None count as
    absent, as table formats fill them in. `literal` is given to every text (see `Text`).

    Raises `BadPrompt`, which names the message and the part, for anything else, and for a user's turn that is empty.
    """
    unnamed = itertools.count()
    messages = tuple(_message(one, index, literal, unnamed) for index, one in enumerate(_list(raw)))
    for index, message in enumerate(messages):
        if message.role == "user" and not _says_something(message):
            raise BadPrompt(f"Message {index} (user) is empty: the question has neither words nor a picture.")
    return messages


def _list(raw: object) -> Sequence[object]:
    if isinstance(raw, (str, bytes)) or not isinstance(raw, Sequence):
        raise BadPrompt(f"A conversation is a list of messages, not {type(raw).__name__}: [{{'role': 'user', ...}}]")
    if not raw:
        raise BadPrompt("The conversation is empty: give at least one message.")
    return raw


def _says_something(message: Message) -> bool:
    return any(isinstance(part, Image) or part.text.strip() for part in message.content)


def _message(raw: object, index: int, literal: bool, unnamed: Iterator[int]) -> Message:
    if isinstance(raw, Message):
        return Message(_role(raw.role, index), raw.content)
    if not isinstance(raw, Mapping):
        raise BadPrompt(f"Message {index} is {type(raw).__name__}; expected {{'role': ..., 'content': ...}}.")
    unread = sorted(str(key) for key, value in raw.items() if key not in INERT and value not in (None, [], {}))
    if unread:
        raise BadPrompt(f"Message {index} has {', '.join(unread)}, which Chiasm does not read: only role and content.")
    role, content = _role(raw.get("role"), index), raw.get("content")
    if isinstance(content, str):
        return Message(role, (Text(content, literal),))
    if not isinstance(content, Sequence) or isinstance(content, (bytes, bytearray)):
        got = "nothing" if content is None else type(content).__name__
        raise BadPrompt(f"Message {index} ({role}) has {got} as content; expected a string or a list of parts.")
    return Message(role, tuple(_part(one, f"Message {index}, part {k}", literal, unnamed) for k, one in enumerate(content)))


def _role(role: object, index: int) -> str:
    if not isinstance(role, str) or not ROLE.fullmatch(role):
        # Templates copy the role beside their control tokens, so it may not carry anything else.
        raise BadPrompt(f"Message {index} has the role {str(role)[:40]!r}; expected a word such as user or assistant.")
    return role


def _part(raw: object, where: str, literal: bool, unnamed: Iterator[int]) -> Part:
    if isinstance(raw, (Text, Image)):
        return raw
    if isinstance(raw, str):
        return Text(raw, literal)
    if not isinstance(raw, Mapping):
        raise BadPrompt(f"{where} is {type(raw).__name__}; expected {{'type': 'text', ...}} or {{'type': 'image', ...}}.")
    part = {key: value for key, value in raw.items() if value is not None}
    match part.get("type"):
        case "text":
            text = part.get("text")
            if not isinstance(text, str):
                raise BadPrompt(f"{where} is of type text, but its 'text' is {type(text).__name__}, not a string.")
            return Text(text, literal)
        case "image_url":
            return Image(_address(part.get("image_url"), where))
        case "image":
            return Image(_source(part, where, unnamed), *_page(part, where))
        case "video":
            return Image(_clip(part.get("video", part.get("path")), where))
        case "region":
            box = part.get("box")
            if not _is_box(box):
                raise BadPrompt(f"{where} is of type region without a box: {{'type': 'region', 'box': [x0, y0, x1, y1]}}.")
            assert isinstance(box, list | tuple)
            x0, y0, x1, y1 = map(float, box)
            return Region(box=(x0, y0, x1, y1))
        case kind:
            read = "'text', 'image', 'image_url', 'video' and 'region'"
            raise BadPrompt(f"{where} has the type {str(kind)[:40]!r}; read are {read}.")


def _address(raw: object, where: str) -> str:
    url = raw.get("url") if isinstance(raw, Mapping) else raw
    if not isinstance(url, str) or not url:
        raise BadPrompt(f"{where} is of type image_url without an address: {{'image_url': {{'url': 'data:image/...'}}}}.")
    return url


def _clip(raw: object, where: str) -> Clip:
    if isinstance(raw, Clip):
        return raw
    if not isinstance(raw, str | os.PathLike | bytes):
        raise BadPrompt(f"{where} is of type video without a clip: {{'type': 'video', 'video': 'clip.gif'}}.")
    return Clip(raw)


def _page(part: Mapping[object, object], where: str) -> tuple[tuple[str, ...], tuple[tuple[float, float, float, float], ...]]:
    """The words of a page and their boxes, where a part has any."""
    words, boxes = part.get("words", ()), part.get("boxes", ())
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise BadPrompt(f"{where} has 'words' that are no list of strings.")
    if not isinstance(boxes, list | tuple) or len(boxes) != len(words) or not all(map(_is_box, boxes)):
        raise BadPrompt(f"{where} has {len(words)} words and needs as many 'boxes', each of four numbers: x0, y0, x1, y1.")
    return tuple(words), tuple((float(x0), float(y0), float(x1), float(y1)) for x0, y0, x1, y1 in boxes)


def _is_box(box: object) -> bool:
    return isinstance(box, list | tuple) and len(box) == 4 and all(isinstance(edge, int | float) for edge in box)


def _source(part: Mapping[object, object], where: str, unnamed: Iterator[int]) -> object:
    given = [key for key in ("image", "path", "url", "base64") if key in part]
    match given:
        case []:
            return next(unnamed)
        case ["base64"]:
            return f"data:;base64,{part['base64']}"
        case [key]:
            return part[key]
        case _:
            raise BadPrompt(f"{where} names its picture more than once ({', '.join(given)}): keep one of them.")
