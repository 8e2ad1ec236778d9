"""Numbers on the command line are what they look like: 1.5 is no whole number, and nan is none at all."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, get_args

from cyclopts import Token, convert

WHOLE = re.compile(r"[+-]?[0-9]+")


def exact(hint: Any, tokens: Sequence[Token]) -> Any:
    """What words mean as a parameter of this type. Raises `ValueError`, which is shown beside the parameter's name."""
    kinds = {hint, *get_args(hint)}
    for token in tokens:
        if int in kinds and not WHOLE.fullmatch(token.value):
            raise ValueError(f'"{token.value}" is not a whole number.')
        if float in kinds and not _finite(token.value):
            raise ValueError(f'"{token.value}" is not a number.')
    return convert(hint, tokens)


def _finite(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False
