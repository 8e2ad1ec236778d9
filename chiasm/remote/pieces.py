"""Tokens of an answer as transformers makes them: its loop runs in a thread, ours reads what comes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from chiasm.prompt.stops import Stops

UNFINISHED = "\ufffd"
"""What a character looks like whose bytes have not all come yet."""


@dataclass(frozen=True)
class _Broke:
    error: BaseException


class Pieces:
    """What transformers calls a streamer: it is given the prompt first, then the tokens as they are chosen."""

    def __init__(self) -> None:
        self._queue: queue.Queue[list[int] | _Broke | None] = queue.Queue()
        self._prompted = False

    def put(self, ids: Any) -> None:
        if self._prompted:
            self._queue.put(ids.flatten().tolist())
        self._prompted = True

    def end(self) -> None:
        """The thread's end is what counts here."""

    def of(self, generate: Callable[[], None]) -> Iterator[int]:
        """Token by token while `generate` runs; whatever it raises is raised here."""

        def run() -> None:
            try:
                generate()
            except BaseException as e:
                self._queue.put(_Broke(e))
            self._queue.put(None)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            while (some := self._queue.get()) is not None:
                if isinstance(some, _Broke):
                    raise some.error
                yield from some
        finally:
            thread.join()


@dataclass
class Said:
    """What an answer has said so far. `ends` are tokens that end it, `over` is whether it has come to its end."""

    decode: Callable[[Sequence[int]], str]
    stops: Stops
    ends: Collection[int]
    ids: list[int] = field(default_factory=list)
    text: str = ""
    over: bool = False
    _read: str = ""

    def hears(self, token: int) -> str:
        """The text that may be shown now that one more token has come."""
        if token in self.ends:
            self.over = True
            return ""
        self.ids.append(token)
        whole = self.decode(self.ids)
        return "" if whole.endswith(UNFINISHED) else self._shows(whole)

    def rest(self) -> str:
        """What was held back, when no more comes."""
        shown, last = self._shows(self.decode(self.ids)), self.stops.close()
        self.text += last
        return shown + last

    def _shows(self, whole: str) -> str:
        shown = self.stops.feed(whole[len(self._read) :])
        self._read, self.over = whole, self.over or self.stops.hit
        self.text += shown
        return shown
