"""`-` on the command line: a picture, or the question, from standard input."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from chiasm.errors import BadPicture, BadPrompt, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chiasm.pixels.clips import Clip

PIPED = "/dev/stdin"
"""What `-` is read as: to the reader of options the hyphen alone is one."""
LONGEST = 1 << 20
"""Bytes of a question, far above any model's context."""


def read(words: Sequence[str], shown: Sequence[str | Clip], question: str) -> tuple[tuple[str | bytes | Clip, ...], str]:
    """Pictures and question with what was piped in their place. Raises `UserError` where two want it, or nothing is piped."""
    asked = [*words, question].count(PIPED)
    if not asked:
        return tuple(shown), question
    if asked > 1:
        raise UserError(f"{asked} words are -, and standard input can be read once: save all pictures but one to files.")
    if sys.stdin is None or sys.stdin.isatty():
        raise UserError('- is what is piped in, and nothing is: cat sign.jpg | chiasm ask - "What does the sign say?"')
    if question == PIPED:
        return tuple(shown), _question()
    data = _picture()
    return tuple(data if one == PIPED else one for one in shown), question


def _picture() -> bytes:
    from chiasm.pixels.open import Limits

    most = Limits().bytes
    data = sys.stdin.buffer.read(most + 1)
    if not data:
        raise BadPicture("standard input is empty, expected a picture: was the command before it successful?")
    return data


def _question() -> str:
    data = sys.stdin.buffer.read(LONGEST + 1)
    if len(data) > LONGEST:
        raise BadPrompt(f"the question from standard input has more than {LONGEST:,} bytes: shorten it.")
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise BadPrompt("the question from standard input is not UTF-8 text: convert it, or is it a picture?") from None
    if not text:
        raise BadPrompt("The question from standard input is empty: write what you want to know about the picture.")
    return text
