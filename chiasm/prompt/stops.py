"""Stop strings in a stream of text."""

from __future__ import annotations

from collections.abc import Sequence


class Stops:
    """Lets text through as far as it is certain that no stop string has begun; `hit` is true once one was found.

    A stop string and what follows it are never let through.
    """

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = tuple(string for string in strings if string)
        self._held = ""
        self.hit = False

    def feed(self, text: str) -> str:
        """The text that may be shown now."""
        if self.hit:
            return ""
        self._held += text
        found = min((at for s in self._strings if (at := self._held.find(s)) >= 0), default=-1)
        if found >= 0:
            self.hit = True
            shown, self._held = self._held[:found], ""
            return shown
        keep = max((self._begun(s) for s in self._strings), default=0)
        shown, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return shown

    def close(self) -> str:
        """The rest, when no more text comes."""
        shown, self._held = self._held, ""
        return shown

    def _begun(self, string: str) -> int:
        """How many last characters could be the beginning of a stop string."""
        return max(n for n in range(min(len(string), len(self._held) + 1)) if n == 0 or self._held.endswith(string[:n]))
