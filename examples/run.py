"""Asks the default model every question of answers.json: python examples/run.py [--write].

Prints what is true, what the model says, and whether that is what answers.json records; `--write` records it.
Exit code 1 where it differs.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import chiasm

FOLDER = Path(__file__).parent
RECORD = FOLDER / "answers.json"


@dataclass(frozen=True)
class Example:
    """A question about a picture of this folder, its true answer, and the recorded one."""

    picture: str
    question: str
    truth: str
    answer: str | None


def recorded() -> list[Example]:
    """The examples with their recorded answers."""
    return [Example(**fields) for fields in json.loads(RECORD.read_text())["examples"]]


def asked(examples: list[Example]) -> list[Example]:
    """The same examples with what the default model says now."""
    model = chiasm.load()
    return [Example(e.picture, e.question, e.truth, model.ask(e.question, FOLDER / e.picture).text) for e in examples]


def write(examples: list[Example]) -> None:
    """Records the examples, one a line."""
    lines = ",\n  ".join(json.dumps(asdict(e), ensure_ascii=False) for e in examples)
    RECORD.write_text(f'{{\n "model": "chiasm-default",\n "examples": [\n  {lines}\n ]\n}}\n')


def main(words: list[str]) -> int:
    before = recorded()
    now = asked(before)
    for old, new in zip(before, now, strict=True):
        kept = "as recorded" if new.answer == old.answer else f"recorded: {old.answer!r}"
        print(f"{new.picture:18} {new.question:36} true: {new.truth:8} said: {new.answer!r} ({kept})")
    if "--write" in words:
        write(now)
        return 0
    return int(now != before)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
