"""What many benchmarks say in the same words, and how options are written down."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from typing import Any

from chiasm.evaluate.benchmarks.rows import Row
from chiasm.evaluate.benchmarks.task import Part
from chiasm.prompt.messages import Text

SHORT = "\nAnswer the question using a single word or phrase."
LETTER = "\nAnswer with the option's letter from the given choices directly."


def shown(row: Row, text: str, picture: str = "image") -> tuple[Part, ...]:
    """The row's picture, then words."""
    return (row.picture(picture), Text(text))


def there(value: Any) -> bool:
    """Whether a cell holds something: tables fill empty ones with None, NaN or "nan"."""
    return not (value is None or value in ("", "nan") or (isinstance(value, float) and math.isnan(value)))


def options(row: Row, letters: str = string.ascii_uppercase) -> dict[str, str]:
    """Options that stand in columns named by their letters."""
    return {letter: str(row.values[letter]) for letter in letters if there(row.get(letter))}


def lettered(texts: Sequence[str]) -> dict[str, str]:
    """Options in a list, by letter."""
    return dict(zip(string.ascii_uppercase, texts, strict=False))


def listed(choices: Mapping[str, str], form: str = "{}. {}") -> str:
    """One line an option."""
    return "\n".join(form.format(letter, text) for letter, text in choices.items())
