"""Where an answer itself shows that a service did not do what it was sent."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from chiasm.prompt.stops import Stops
from chiasm.remote.answers import Kept
from chiasm.remote.call import Call

log = logging.getLogger("chiasm")

PASSED_OVER = "passed over"
MEANING = {"stop": "answers are cut here", "max_tokens": "answers are longer than was asked for"}
UNCOUNTED = 1
"""Tokens above the bound that are no departure: some services count the one that ends an answer."""


def departures(call: Call, said: Kept) -> tuple[str, ...]:
    """Fields that were sent and passed over: a stop string that stands in the text, more tokens than were allowed."""
    stopped = any(string in said.text for string in call.stop)
    longer = said.generated_tokens > call.max_tokens + UNCOUNTED
    return tuple(name for name, passed_over in (("stop", stopped), ("max_tokens", longer)) if passed_over)


def ended(text: str, stop: Sequence[str]) -> str:
    """What stands before the first stop string, whoever looks for it."""
    stops = Stops(stop)
    return stops.feed(text) + stops.close()


def settled(text: str, stop: Sequence[str]) -> str:
    """As far as no stop string can have begun, of a text that is not at its end."""
    return Stops(stop).feed(text)


class Told:
    """Says of one model what it passed over, each field once. For many threads."""

    def __init__(self, model: str) -> None:
        self.model, self._lock, self._known = model, threading.Lock(), set[str]()

    def of(self, passed_over: Sequence[str]) -> None:
        with self._lock:
            new = [name for name in passed_over if name not in self._known]
            self._known.update(new)
        for name in new:
            log.warning("%s was sent %s and passed over it: %s", self.model, name, MEANING[name])
