"""Answers kept on disk, by the hash of all that decides them, so that asking again costs nothing. Log-probabilities of given
answers are kept so too, and whether a service tells any."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from chiasm.assistant import FinishReason
from chiasm.home import home
from chiasm.remote.call import Ended, Piece, Said, Served, Spent
from chiasm.weights.write import write_json

log = logging.getLogger("chiasm")


@dataclass(frozen=True)
class Kept:
    """An answer and what it cost when it was given; `served` is what the service said of itself."""

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    generated_tokens: int
    served: Mapping[str, str] = field(default_factory=dict)

    def after(self, one: Said) -> Kept:
        """With what the service said next."""
        match one:
            case Piece(text=text):
                return replace(self, text=self.text + text)
            case Spent(prompt=prompt, generated=generated):
                return replace(self, prompt_tokens=prompt, generated_tokens=generated)
            case Ended(reason=reason):
                return replace(self, finish_reason=reason)
            case Served(facts=facts):
                return replace(self, served=facts)


class Answers:
    """A folder of answers; by default in Chiasm's own cache."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or home() / "answers"

    def get(self, digest: str) -> Kept | None:
        """None for one that is not there, or not whole."""
        try:
            return Kept(**self.read(digest))
        except TypeError:
            return None

    def put(self, digest: str, answer: Kept) -> None:
        self.write(digest, asdict(answer))

    def read(self, digest: str) -> dict[str, Any]:
        """What was written, empty where nothing whole was."""
        try:
            found = json.loads(self._file(digest).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, digest: str, content: Mapping[str, Any]) -> None:
        """An answer that cannot be kept was still given: a full disk is told of and costs no more than asking again."""
        try:
            write_json(self._file(digest), content)
        except OSError as e:
            log.warning("%s cannot be written (%s): what is answered now is not kept", self.folder, e.strerror)

    def _file(self, digest: str) -> Path:
        return self.folder / digest[:2] / f"{digest}.json"
