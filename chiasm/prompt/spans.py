"""Where each text of a conversation stands in what a template wrote: found by marks that are put around it and read back."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chiasm.prompt.messages import Message, Text


@dataclass(frozen=True)
class Span:
    """Characters `start` up to `end` of a rendered text that are part `part` of message `message`, said by `role`."""

    start: int
    end: int
    message: int
    part: int
    role: str
    literal: bool


@dataclass(frozen=True)
class Rendered:
    """A conversation as text. What no span covers was written by the template."""

    text: str
    spans: tuple[Span, ...]
    messages: tuple[Message, ...]


class Refusal(Exception):
    """Why one way of handing a conversation to a template failed; the lowest rank tells a person most."""

    def __init__(self, rank: int, reason: str) -> None:
        super().__init__(reason)
        self.rank = rank


def marked_widths(messages: Sequence[Message]) -> Iterator[bool]:
    """First marks around whole texts; then, for templates that trim, around what stays when whitespace goes."""
    yield True
    if any(isinstance(part, Text) and part.text != part.text.strip() for m in messages for part in m.content):
        yield False


class Marks:
    """A pair of marks for each text of a conversation, drawn at random for this one rendering."""

    # Private-use characters: no case, no meaning, no whitespace, so string operations of templates pass them through.
    alphabet = tuple(chr(0xF0000 + k) for k in range(4096))

    def __init__(self, messages: Sequence[Message], whole: bool) -> None:
        self.whole = whole
        self.nonce = "".join(secrets.choice(self.alphabet) for _ in range(12))
        self.texts = [
            (i, k, message.role, part)
            for i, message in enumerate(messages)
            for k, part in enumerate(message.content)
            if isinstance(part, Text)
        ]
        self.number = {(i, k): n for n, (i, k, _, _) in enumerate(self.texts)}
        # No template reads this entry, so that it comes out only where a template prints a part's structure.
        self.extra = {secrets.token_hex(16): ""}

    def around(self, message: int) -> Callable[[int, str], str]:
        """What writes a text of that message, by its part's number, with its marks."""

        def written(part: int, text: str) -> str:
            core = self._core(text)
            if not core:
                return text
            before, after = text.split(core, 1) if not self.whole else ("", "")
            number = self.number[message, part]
            return f"{before}{self._mark(number, 0)}{core}{self._mark(number, 1)}{after}"

        return written

    def spans(self, marked: str, plain: str) -> tuple[Span, ...]:
        """The marked places, in characters of `plain`; raises `Refusal` if the marks did not come through."""
        pieces = re.split(f"{self.nonce}(.)(.)(.)", marked)
        if "".join(pieces[::4]) != plain:
            raise Refusal(2, "it takes texts apart or depends on how they begin, so that it cannot be known which of "
                              "its characters a person wrote (or it has no place for pictures).")  # fmt: skip
        spans: list[Span] = []
        at, opened = len(pieces[0]), None
        for high, low, side, after in zip(pieces[1::4], pieces[2::4], pieces[3::4], pieces[4::4], strict=True):
            number = (ord(high) - 0xF0000) * len(self.alphabet) + ord(low) - 0xF0000
            if side == self.alphabet[0] and opened is None:
                opened = (number, at)
            elif side == self.alphabet[1] and opened is not None and opened[0] == number:
                message, part, role, text = self.texts[number]
                spans.append(Span(opened[1], at, message, part, role, text.literal))
                opened = None
            else:
                raise Refusal(2, "it cuts a text into pieces.")
            at += len(after)
        found = {(span.message, span.part) for span in spans}
        for message, part, role, text in self.texts:
            if self._core(text.text) and (message, part) not in found:
                raise Refusal(1, f"it leaves out message {message} ({role}), part {part}.")
        return tuple(spans)

    def _core(self, text: str) -> str:
        return text if self.whole else text.strip()

    def _mark(self, number: int, side: int) -> str:
        high, low = divmod(number, len(self.alphabet))
        return self.nonce + self.alphabet[high] + self.alphabet[low] + self.alphabet[side]
