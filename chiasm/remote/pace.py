"""Rate limits: no more requests and tokens in any minute than was agreed."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable

from chiasm.errors import UserError

MINUTE = 60.0
REQUESTS, TOKENS = "CHIASM_REQUESTS_PER_MINUTE", "CHIASM_TOKENS_PER_MINUTE"


class Pace:
    """Lets requests through while fewer than `requests` and fewer than `tokens` were let through in the last minute; none: no
    limit. For many threads."""

    def __init__(
        self,
        requests: int | None = None,
        tokens: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.requests, self.tokens = requests, tokens
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._passed: deque[tuple[float, int]] = deque()

    @classmethod
    def from_environment(cls) -> Pace:
        return cls(_number(REQUESTS), _number(TOKENS))

    def enter(self, tokens: int) -> None:
        """Waits until one more request of about so many tokens may be sent. One of more than the limit goes alone."""
        while (wait := self._enter(tokens)) > 0:
            self._sleep(wait)

    def _enter(self, tokens: int) -> float:
        with self._lock:
            now = self._clock()
            while self._passed and self._passed[0][0] <= now - MINUTE:
                self._passed.popleft()
            spent = sum(count for _, count in self._passed)
            many = self.requests is not None and len(self._passed) >= self.requests
            much = self.tokens is not None and self._passed and spent + tokens > self.tokens
            if many or much:
                return self._passed[0][0] + MINUTE - now
            self._passed.append((now, tokens))
            return 0.0


def _number(variable: str) -> int | None:
    said = os.environ.get(variable, "").strip()
    if not said:
        return None
    if not said.isdecimal() or int(said) < 1:
        raise UserError(f"{variable} is {said!r}: it must be a whole number of at least 1")
    return int(said)
