"""Video-MME, LongVideoBench and MVBench: letters by rules that take the first one they meet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from chiasm.evaluate.scorers.mcq import extract
from chiasm.evaluate.scorers.vqa_text import PYTHON_3, plain, punctuation

VideommeReference = Literal["Video-MME", "VLMEvalKit", "lmms-eval"]
LongReference = Literal["lmms-eval", "VLMEvalKit"]
MvbenchReference = Literal["MVBench", "lmms-eval"]

_COMMON = ("The best answer is", "The correct answer is", "The answer is", "The answer")
_JOINED = ("The best option isThe correct option is", "Best answer:Best option:")
"""Commas are missing between these in the official script, so neither half is ever removed."""

_APART = ("The best option is", "The correct option is", "Best answer:", "Best option:")
_KIT = ("The best option isThe correct option is", "Best answer:Best option:", "Answer:", "Option:")
_FOUR, _FIVE = re.compile("[ABCD]"), re.compile("[ABCDE]")


def _first(response: str, prefixes: Sequence[str], letters: re.Pattern[str]) -> str | None:
    text = response.strip()
    for prefix in prefixes:
        text = text.replace(prefix, "")
    found = letters.search(text)
    return found[0] if found else None


def videomme(response: str, reference: VideommeReference = "Video-MME") -> str | None:
    """The first capital A to D anywhere, some phrases removed: "Answer: B" is A. VLMEvalKit removes "Answer:" too."""
    match reference:
        case "Video-MME":
            return _first(response, (*_COMMON, *_JOINED), _FOUR)
        case "VLMEvalKit":
            return _first(response, (*_COMMON, *_KIT), _FOUR)
        case "lmms-eval":
            return extract(response, ("A", "B", "C", "D"))


def longvideobench(response: str, reference: LongReference = "lmms-eval") -> str | None:
    """The first capital A to E anywhere; `None` where the authors' port draws a letter at random and VLMEvalKit has none."""
    match reference:
        case "lmms-eval":
            return _first(response, (*_COMMON, *_APART), _FIVE)
        case "VLMEvalKit":
            return _first(response, (*_COMMON, *_KIT), _FIVE)


@dataclass(frozen=True)
class Watched:
    """One answered question of Video-MME, with the group it is counted in."""

    group: str
    response: str
    answer: str


def videomme_summary(watched: Sequence[Watched], groups: Sequence[str]) -> dict[str, float]:
    """Percentages to one decimal by group and over "all"; what cannot be parsed is left out of the count, as officially."""
    read = [(one.group, parsed == one.answer) for one in watched if (parsed := videomme(one.response)) is not None]
    by = {group: [right for owner, right in read if owner == group] for group in groups}
    by["all"] = [right for _, right in read]
    return {name: float(f"{100 * sum(right) / len(right) if right else 0:.1f}") for name, right in by.items()}


_LETTER_TEXT = re.compile(r"([A-E])\.\s*(.+)$", re.IGNORECASE)
_LONE = re.compile(r"\b([A-E])\b", re.IGNORECASE)


def mvbench(response: str, gold: str, reference: MvbenchReference = "MVBench") -> bool:
    """Official: the first word without periods stands in gold's first word, "(b)", or holds it; an empty answer does too.

    lmms-eval reads a letter before a period, or the first lone one once punctuation is gone ("a cat" is A).
    """
    match reference:
        case "MVBench":
            said, true = (text.lower().strip().split(" ")[0] for text in (response, gold))
            return said.replace(".", "") in true or true in said
        case "lmms-eval":
            return _lone(response) == _lone(gold.strip()[1])


def _lone(text: str) -> str:
    named = _LETTER_TEXT.match(text.strip())
    if named:
        return named[1].upper()
    bare = punctuation(plain(text), PYTHON_3).strip("'").strip('"').strip(")").strip("(").strip().lower()
    lone = _LONE.search(bare)
    return lone[1].upper() if lone else bare
