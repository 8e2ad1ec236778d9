"""MathVista: what can be extracted without a judge, made comparable with the answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from chiasm.evaluate.scorers.distance import levenshtein

Reference = Literal["MathVista", "lmms-eval"]

_QUOTED = re.compile(r'The answer is "(.*)"\.')
_BRACKETED = re.compile(r"\(([a-zA-Z])\)")


def extract(response: str, question_type: str, answer_type: str, choices: Sequence[str], quick: bool = True) -> str | None:
    """A response that is a choice or a number already, or what `quick` finds between quotes; `None` where the official script
    would ask its judge. A score made without a judge is a lower bound."""
    if question_type == "multi_choice" and response in choices:
        return response
    try:
        match answer_type:
            case "integer":
                return str(int(response))
            case "float":
                return str(float(response))
    except ValueError:
        pass
    found = _QUOTED.search(response) if quick else None
    return found[1] if found else None


def normalize(
    extraction: object, choices: Sequence[str], question_type: str, answer_type: str, precision: float | None,
    ignore_empty: bool = False,
) -> str | None:  # fmt: skip
    """As the answer is written: the nearest choice, a truncated integer, a float of so many digits; `None` if it is none.

    "" is nearest to the shortest choice, unless `ignore_empty`. A small letter outside of brackets is not a letter.
    """
    if question_type == "multi_choice":
        text = str(extraction).strip() if isinstance(extraction, str) else str(extraction)
        return None if ignore_empty and not text else _choice(text, choices)
    try:
        match answer_type:
            case "integer":
                return str(int(float(extraction)))  # type: ignore[arg-type]
            case "float":
                return str(round(float(extraction), int(precision)))  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError):
        return None
    return str(extraction)


def _choice(text: str, choices: Sequence[str]) -> str:
    bracketed = _BRACKETED.search(text)
    letter = bracketed[1].upper() if bracketed else text
    places = {chr(ord("A") + place): choice for place, choice in enumerate(choices)}
    return places[letter] if letter in places else min(choices, key=lambda choice: levenshtein(letter, choice))


def equal(prediction: object, answer: object, reference: Reference = "MathVista") -> bool:
    """Official: the same value of the same type; lmms-eval compares them as stripped texts."""
    return prediction == answer if reference == "MathVista" else str(prediction).strip() == str(answer).strip()
