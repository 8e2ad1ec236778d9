"""MMStar, RealWorldQA, ScienceQA and AI2D: each its own way of finding the letter in an answer."""

from __future__ import annotations

import re
import string
from typing import Literal

from chiasm.evaluate.scorers.mcq import extract

FOUR, FIVE = ("A", "B", "C", "D"), ("A", "B", "C", "D", "E")

MmstarReference = Literal["MMStar", "lmms-eval"]
ScienceqaReference = Literal["LLaVA", "lmms-eval"]

_LEADS = ("", "(", "option ", "the answer is ")


def mmstar(response: str, answer: str, reference: MmstarReference = "MMStar") -> bool:
    """MMStar looks at the one character at the start, or behind "(", "option " or "the answer is ", whatever follows it."""
    match reference:
        case "MMStar":
            said, true = (text.lower().strip().replace("\n", " ") for text in (response, answer))
            return any(said.startswith(lead) and said[len(lead) : len(lead) + 1] == true for lead in _LEADS)
        case "lmms-eval":
            return extract(response, FOUR) == answer.strip().upper()


def realworldqa(response: str, answer: str) -> bool:
    """lmms-eval's rule (there is no official one): a letter is extracted where the answer is one; other answers must be
    written, but for case and final periods."""
    true = answer.strip()
    if true.upper() in FOUR:
        return extract(response, FOUR) == true.upper()
    return response.lower().strip().rstrip(".") == true.lower()


_SCIENCEQA = re.compile(r"The answer is ([A-Z]).")


def scienceqa(response: str) -> str | None:
    """LLaVA's reading: the letter alone, or before ". ", or in the only "The answer is X" that something follows."""
    if response in FIVE:
        return response
    if response[:1] in FIVE and response[1:3] == ". ":
        return response[0]
    found = _SCIENCEQA.findall(response)
    return found[0] if len(found) == 1 else None


def scienceqa_index(letter: str | None, choices: int) -> int:
    """Which choice the letter means, -1 for none of them."""
    return FIVE.index(letter) if letter in FIVE[:choices] else -1


def scienceqa_right(response: str, answer: int, choices: int, reference: ScienceqaReference = "LLaVA") -> bool:
    """Whether the choice is the right one; lmms-eval takes a letter alone in either case, or a capital before a period."""
    match reference:
        case "LLaVA":
            return scienceqa_index(scienceqa(response), choices) == answer
        case "lmms-eval":
            said, true = response.strip(), string.ascii_uppercase[answer]
            return said.upper() == true or (said[:1] == true and said[1:2] == ".")


_LETTER_PERIOD = re.compile(r"\s*([A-Z])\.")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def ai2d(response: str) -> str:
    """lmms-eval's filter: a capital before a period at the start, else all of the response."""
    found = _LETTER_PERIOD.match(response)
    return found[1] if found else response


def ai2d_right(response: str, letter: str) -> bool:
    """Whether what the filter leaves is the letter, but for case and ASCII punctuation; space around it counts."""
    return ai2d(response).lower().translate(_NO_PUNCTUATION) == letter.lower().translate(_NO_PUNCTUATION)
