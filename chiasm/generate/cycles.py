"""Notices that an answer goes round in circles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cycle:
    """What counts as endless repetition: the newest tokens are one unit of at most `longest` tokens, again and again,
    at least `times` times and over at least `window` tokens.

    So a row of a hundred equal tokens is still a table, a sentence of twenty tokens may be said seven times, and a
    paragraph of a hundred tokens is caught when it has come eight times.
    """

    longest: int = 128
    times: int = 8
    window: int = 160


class Watch:
    """Follows one row. `sees(token)` is true from the token on that completes a cycle."""

    def __init__(self, rule: Cycle) -> None:
        self._periods = np.arange(1, rule.longest + 1)
        self._enough = np.maximum(rule.window, rule.times * self._periods) - self._periods
        self._equal = np.zeros(rule.longest, np.int64)
        self._last = np.full(rule.longest, -1, np.int64)
        """The newest tokens, newest first."""

    def sees(self, token: int) -> bool:
        """Takes the next token; true where it completes a cycle."""
        # How many tokens in a row equal the one a period before them: a cycle is a long such run.
        self._equal = np.where(self._last == token, self._equal + 1, 0)
        self._last = np.roll(self._last, 1)
        self._last[0] = token
        return bool((self._equal >= self._enough).any())
