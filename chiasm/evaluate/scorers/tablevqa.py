"""TableVQA-Bench: answers out of tables, compared as values (WikiTableQuestions' rule), as true or false, or as amounts."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass

from chiasm.evaluate.scorers.tables import words

Key = int | float | tuple[int, int, int] | None

_QUOTES = (("[‘’´`]", "'"), ("[“”]", '"'), ("[‐‑‒–—−]", "-"))
_CITATIONS = re.compile(r"((?<!^)\[[^\]]*\]|\[\d+\]|[•♦†‡*#+])*$")
_DETAILS = re.compile(r"(?<!^)( \([^)]*\))*$")
_QUOTED = re.compile(r'^"([^"]*)"$')


def normalize(text: str) -> str:
    """Without accents, citations, details in brackets at the end, quotes around and a final period; lower case."""
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) != "Mn")
    for kind, plain in _QUOTES:
        text = re.sub(kind, plain, text)
    before = None
    while before != text:
        before = text
        text = _CITATIONS.sub("", text.strip())
        text = _DETAILS.sub("", text.strip())
        text = _QUOTED.sub(r"\1", text.strip())
    return re.sub(r"\s+", " ", text.removesuffix(".")).lower().strip()


@dataclass(frozen=True)
class Value:
    """A text, with the number or the date (year, month, day; -1 where unsaid) that it may be."""

    text: str
    key: Key

    def matches(self, other: Value) -> bool:
        """The same text, numbers that are a millionth apart, or the same date."""
        if self.text == other.text:
            return True
        match self.key, other.key:
            case int() | float(), int() | float():
                return abs(self.key - other.key) < 1e-6
            case tuple(), tuple():
                return self.key == other.key
        return False


def value(text: str) -> Value:
    """What a text says."""
    key: Key = _number(text)
    if key is None:
        key = _date(text)
        if isinstance(key, tuple) and key[1:] == (-1, -1):
            key = key[0]
    if isinstance(key, float) and abs(key - round(key)) < 1e-6:
        key = int(key)
    return Value(normalize(text), key)


def _number(text: str) -> int | float | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


_UNSAID = "xx"


def _date(text: str) -> tuple[int, int, int] | None:
    parts = text.lower().split("-")
    if len(parts) != 3:
        return None
    try:
        year = -1 if parts[0] in (_UNSAID, 2 * _UNSAID) else int(parts[0])
        month, day = (-1 if part == _UNSAID else int(part) for part in parts[1:])
    except ValueError:
        return None
    told = (year, month, day) != (-1, -1, -1) and (month == -1 or 1 <= month <= 12) and (day == -1 or 1 <= day <= 31)
    return (year, month, day) if told else None


def _values(text: str) -> list[Value]:
    """Items apart by bars, escapes of the data's own files undone, each value once (numbers and dates by what they are)."""
    items = [one.replace(r"\n", "\n").replace(r"\p", "|").replace("\\\\", "\\") for one in text.split("|")]
    return list({one.text if one.key is None else one.key: one for one in reversed([value(item) for item in items])}.values())


def denotation(prediction: str, answer: str) -> bool:
    """Whether as many values were said as are true, and every true one is among them; items are parted by bars, one or two."""
    true, said = _values(answer), _values(prediction.replace("||", "|"))
    return len(true) == len(said) and all(any(one.matches(other) for other in said) for one in true)


def fact(prediction: str) -> bool | None:
    """What was said of a statement; `None` for both or neither of the two words."""
    heard = [word in prediction.lower() for word in ("true", "false")]
    return heard[0] if heard[0] != heard[1] else None


_UNITS = words("dollar gallons shares mbtu mbpd mbbls mmbtu unit gwh year mmcf mile mboe")
_UNIT = re.compile(r"\b(" + "|".join(["square feet", *_UNITS]) + r")s?\b", re.IGNORECASE)
_POWERS = tuple(
    (re.compile(rf"{space}\b{name}\b"), power)
    for space in (" ", "")
    for name, power in (("thousand", "e3"), ("million", "e6"), ("billion", "e9"))
)
_PER_CENT = re.compile(" ?%")


def _amounts(text: str) -> list[float | str]:
    """The amount with its power of ten and without; both as text where either is no number."""
    whole = bare = _UNIT.sub("", re.sub(r"[\$\(\),]", "", normalize(text)))
    for name, power in (*_POWERS, (_PER_CENT, "e-2")):
        whole, bare = name.sub(power, whole), name.sub("", bare)
    try:
        return [float(whole), float(bare)]
    except ValueError:
        return [whole, bare]


def amount(prediction: str, answer: str, exact: bool = False) -> bool:
    """Whether one of the readings of the prediction is one of the answer's; `exact`: powers of ten must agree."""
    said, true = _amounts(prediction), _amounts(answer)
    return said[0] == true[0] if exact else any(one == other for one in said for other in true)
