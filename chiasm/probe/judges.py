"""How answers to probes are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chiasm.evaluate.benchmarks.task import Judged
from chiasm.evaluate.scorers import pope

NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip


def option(gold: Mapping[str, Any], reply: str) -> Judged:
    """The one choice that an answer names; one that names none, or several, is not read."""
    exact = [choice for choice in gold["choices"] if choice == reply.strip()]
    named = exact or [choice for choice in gold["choices"] if re.search(rf"(?<!\w){re.escape(choice)}(?!\w)", reply, re.I)]
    said = named[0] if len(named) == 1 else None
    return Judged(said, float(said == gold["answer"]))


def number(gold: Mapping[str, Any], reply: str) -> Judged:
    """The one number that an answer names, in digits or as a word up to twenty."""
    words = re.findall(r"\d+|[a-z]+", reply.lower())
    found = {int(word) if word.isdigit() else NUMBERS.index(word) for word in words if word.isdigit() or word in NUMBERS}
    said = found.pop() if len(found) == 1 else None
    return Judged(said, float(said == int(gold["answer"])))


def copied(gold: Mapping[str, Any], reply: str) -> Judged:
    """Text that was read out: the whole answer, what it quotes last, or its last word; case and marks around do not count."""
    said = _plain(reply)
    quoted = re.findall(r"[\"“']([^\"“”']+)[\"”']", reply)
    heard = {said, _plain(quoted[-1]) if quoted else "", _plain(reply.split()[-1]) if reply.split() else ""}
    right = _plain(gold["answer"]) in heard
    return Judged(_plain(gold["answer"]) if right else said or None, float(right))


def yes_or_no(gold: Mapping[str, Any], reply: str) -> Judged:
    """Which of the two words an answer holds."""
    said = pope.parse(reply, "VLMEvalKit")
    return Judged(said, float(said == gold["answer"]))


def boxed(gold: Mapping[str, Any], reply: str) -> Judged:
    """As `yes_or_no`, where a place in four numbers says yes too."""
    if len(re.findall(r"\d+(?:\.\d+)?", reply)) >= 4:
        return Judged("yes", float(gold["answer"] == "yes"))
    return yes_or_no(gold, reply)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .,:;!?\"'“”")
