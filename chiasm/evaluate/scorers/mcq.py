"""The letter that an answer to a multiple choice question means, by the three readers that the field uses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

Reference = Literal["VLMEvalKit", "lmms-eval", "lmms-eval MMBench"]

LETTERS = ("A", "B", "C", "D", "E", "F", "G", "H")
REFUSED = "Z"
"""VLMEvalKit's letter for an answer that declines."""

_BROKEN = "Failed to obtain answer via API"
_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_TO_SPACE = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_NEAR_THE_END = 5
_BOLD = re.compile(r"(?:correct )?answer is \*\*([A-D])\*\*", re.IGNORECASE)


def infer(answer: str, options: Mapping[str, object]) -> str | None:
    """VLMEvalKit's `can_infer` without a judge: the letter, "Z" for a refusal, `None` where it cannot tell."""
    return infer_letter(answer, options) or _infer_text(answer, options)


def infer_letter(answer: str, options: Iterable[str]) -> str | None:
    """Its first step. A letter counts as a word of its own in capitals, if it is the only one of the options' and first
    stands among the last four words; else one in bold after "answer is"."""
    if _BROKEN in answer:
        return None
    if any(refusal in answer for refusal in _REFUSALS):
        return REFUSED
    words = answer.translate(_TO_SPACE).split()
    letters = list(options)
    found = [letter for letter in letters if letter in words]
    if len(found) == 1 and words.index(found[0]) > len(words) - _NEAR_THE_END:
        return found[0]
    if not found and REFUSED in words:
        return REFUSED
    bold = _BOLD.search(answer)
    return bold[1].upper() if bold and bold[1].upper() in letters else None


def _infer_text(answer: str, options: Mapping[str, object]) -> str | None:
    """Its second: the only option whose text stands somewhere in an answer that is not much longer than all of them."""
    said, texts = answer.lower(), {letter: str(text) for letter, text in options.items()}
    if len(said) > 2 * sum(len(text) for text in texts.values()):
        return None
    return _only(letter for letter, text in texts.items() if text.lower() in said)


def _only(letters: Iterable[str]) -> str | None:
    found = list(letters)
    return found[0] if len(found) == 1 else None


_EDGES = (",", ".", "!", "?", ";", ":", "'", '"')
_PHRASES = (
    *(f"{the}{best}{what} is" for what in ("answer", "option") for best in ("", "correct ", "best ") for the in ("the ", "")
      if what == "answer" or best),
    *(f"{the}{correct}choice is" for correct in ("", "correct ") for the in ("the ", "")),
    "i choose", "i select", "i pick", "my answer is", "my choice is",
    "옵션", "정답은", "답은", "답:", "答案是", "答案为", "选", "答えは",
)  # fmt: skip
_START, _END, _PHRASE, _PARENTHESES, _PERIOD, _COLON, _RIGHT, _SPACE = 10, 9, 7, 6, 5, 4, 3, 2


def extract(answer: str, letters: Sequence[str] = LETTERS) -> str | None:
    """lmms-eval's `extract_mcq_answer`: of all places where a letter stands like an answer, the one of the surest form, and of
    equally sure ones the last. It never looks at the options' texts; where no form fits, any letter will do."""
    text = answer.strip()
    if not text:
        return None
    for edge in _EDGES:
        text = text.strip(edge)
    bare, text = text.strip(), f" {text} "
    found = [
        (rank, text.rfind(form), letter)
        for rank, before, after in (
            (_PARENTHESES, "(", ")"), (_PERIOD, "", "."), (_COLON, "", ":"), (_RIGHT, "", ")"), (_SPACE, "", " "),
        )
        for letter in letters
        if (form := before + letter + after) in text
    ]  # fmt: skip
    lower = text.lower()
    for phrase in _PHRASES:
        if (start := lower.find(phrase)) != -1:
            places = ((text.find(letter, start + len(phrase)), letter) for letter in letters)
            found += [(_PHRASE, place, letter) for place, letter in places if place != -1]
    found += [(_START, 0, x) for x in letters if bare.startswith(x) and not bare[1:2].isalpha()]
    found += [(_END, len(text) - 1, x) for x in letters if bare.endswith(x) and not bare[-2:-1].isalpha()]
    found = found or [(0, text.rfind(letter), letter) for letter in letters if letter in text]
    return max(found, key=lambda one: one[:2])[2] if found else None


_MMBENCH_LETTERS = ("A", "B", "C", "D", "E")
_MANY = 3
_WRAPPINGS = (
    ("", "."), ("", ","), ("", ":"), ("", ")"), ("", ")."), ("(", ")"), ("(", ")."), (":", ""), (":", ","), (":", "."),
    (":", ")"), (":", ")."),
)  # fmt: skip


def infer_mmbench(answer: str, options: Mapping[str, object]) -> str | None:
    """lmms-eval's older rules for MMBench: letters A to E whatever the options, alone or in one kind of wrapping; a lone A
    among more than three words may be an article and does not count; then the only option whose text the answer holds."""
    return _wrapped(answer) or _only(letter for letter, text in options.items() if str(text).lower() in answer.lower())


def _wrapped(answer: str) -> str | None:
    if _BROKEN in answer:
        return None
    words = answer.split()
    alone = _only(letter for letter in _MMBENCH_LETTERS if letter in words)
    if alone and not ("A" in words and len(words) > _MANY):
        return alone
    wrapped = (_only(x for x in _MMBENCH_LETTERS if before + x + after in words) for before, after in _WRAPPINGS)
    return next((letter for letter in wrapped if letter), None)
