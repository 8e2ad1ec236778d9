"""One conversation as the streams of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chiasm.errors import BadPrompt
from chiasm.pixels.clips import Clip
from chiasm.prompt.encode import Encoded
from chiasm.prompt.messages import Image, Message, Part, Text


@dataclass(frozen=True)
class Draft:
    """`ids` of the row; `target` what is written after it, in models that write after a source; `watched` which tokens of the
    stream that is written training may look at; `hint` what a connector reads."""

    ids: tuple[int, ...]
    watched: list[bool]
    target: tuple[int, ...] = ()
    hint: tuple[int, ...] = ()


def led(encoded: Encoded, placeholder: int, count: int) -> Encoded:
    """The same after so many placeholders, which stand before all of its text."""
    return replace(
        encoded,
        ids=(*[placeholder] * count, *encoded.ids),
        offsets=(*[(0, 0)] * count, *encoded.offsets),
        origin=(*[None] * count, *encoded.origin),
        control=(*[True] * count, *encoded.control),
    )


def unseen(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The words of a conversation without its pictures."""
    return tuple(Message(m.role, tuple(part for part in m.content if isinstance(part, Text))) for m in messages)


def stilled(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The same with clips called pictures, for models that have one placeholder for both."""

    def named(part: Part) -> Part:
        return (
            replace(part, picture=part.picture.source) if isinstance(part, Image) and isinstance(part.picture, Clip) else part
        )

    return tuple(Message(m.role, tuple(map(named, m.content))) for m in messages)


def parted(messages: Sequence[Message]) -> tuple[Sequence[Message], str]:
    """What is asked, and what is answered last. Raises `BadPrompt` where no answer stands at the end."""
    *asked, last = messages
    if not asked or last.role != "assistant":
        raise BadPrompt(
            "a conversation to train on ends with the assistant's words, which are the target of a model that reads a source: "
            "put the answer last"
        )
    return asked, "".join(part.text for part in last.content if isinstance(part, Text))
