"""Ids to text while they are still being generated."""

from __future__ import annotations

from collections.abc import Iterable

from chiasm.prompt.tokenizer import CLEANUP, Tokenizer, tidied

TIDIED = frozenset("".join(before for before, _ in CLEANUP))


class Detokenizer:
    """Turns ids into pieces of text as they come.

    The pieces joined, with `close()` at the end, are exactly `tokenizer.decode(all ids)`, and none of them ends inside
    a character. For that a piece waits as long as later ids could still change it: bytes of an unfinished character, a
    run of single-byte tokens (which decodes as one), a space that tidying may yet remove.
    """

    def __init__(self, tokenizer: Tokenizer, *, skip_special: bool = True) -> None:
        self._backend = tokenizer.backend
        self._skipped = tokenizer.skipped if skip_special else frozenset()
        self._waits = tokenizer.single_bytes
        self._tidies = tokenizer.clean_up
        self._context: list[int] = []
        self._context_text = ""
        self._fresh: list[int] = []
        self._untidied = ""

    def feed(self, ids: Iterable[int]) -> str:
        """The text that is certain now and was not before; often empty."""
        return "".join(self._feed(int(id)) for id in ids)

    def close(self) -> str:
        """The rest, when no more ids come."""
        return self._tidy(self._decode()[len(self._context_text) :], to_the_end=True)

    def _feed(self, id: int) -> str:
        if id in self._skipped:
            return ""
        self._fresh.append(id)
        if id in self._waits:
            return ""
        text = self._decode()
        new = text[len(self._context_text) :]
        if not new or new.endswith("\N{REPLACEMENT CHARACTER}"):
            return ""
        # One finished piece is kept as context: decoders treat the very first token of a text in their own way.
        self._context, self._fresh = self._fresh, []
        self._context_text = self._backend.decode(self._context, skip_special_tokens=False)
        return self._tidy(new, to_the_end=False)

    def _decode(self) -> str:
        return self._backend.decode(self._context + self._fresh, skip_special_tokens=False)

    def _tidy(self, new: str, *, to_the_end: bool) -> str:
        if not self._tidies:
            return new
        text = self._untidied + new
        # No pattern holds a character outside TIDIED, so text may be tidied in parts that end with such a character.
        end = len(text) if to_the_end else max((k + 1 for k, c in enumerate(text) if c not in TIDIED), default=0)
        self._untidied = text[end:]
        return tidied(text[:end])
