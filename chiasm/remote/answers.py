"""Answers kept on disk, by the hash of all that decides them, so that asking again costs nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from chiasm.assistant import FinishReason
from chiasm.home import home
from chiasm.weights.write import write_json


@dataclass(frozen=True)
class Kept:
    """An answer and what it cost when it was given."""

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    generated_tokens: int


class Answers:
    """A folder of answers; by default in Chiasm's own cache."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or home() / "answers"

    def get(self, digest: str) -> Kept | None:
        """None for one that is not there, or not whole."""
        try:
            return Kept(**json.loads(self._file(digest).read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def put(self, digest: str, answer: Kept) -> None:
        write_json(self._file(digest), asdict(answer))

    def _file(self, digest: str) -> Path:
        return self.folder / digest[:2] / f"{digest}.json"
