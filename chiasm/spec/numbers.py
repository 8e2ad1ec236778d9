"""How a conversation's text tells its pictures apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Written:
    """Where it is asked for: words before each picture and after it, `{number}` counting from 1 through the conversation, clips
    by themselves. `source` says who words it so."""

    before: str
    after: str = ""
    clip: str = "Video {number}: "
    source: str = "nobody in particular: the model was not published with a form of its own"


@dataclass(frozen=True)
class Always:
    """Without asking: the template or the pictures' own marks number them. `source` says which."""

    source: str


Numbers = Written | Always

PLAIN = Written("Image {number}: ", "\n")
