"""What may go wrong with a service: what is worth another try, what is the request's fault, what stops everything."""

from __future__ import annotations

import email.utils
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chiasm.errors import BadPrompt, ChiasmError, RemoteFailure
from chiasm.remote.names import Endpoint

log = logging.getLogger("chiasm")

FAULTS_OF_A_REQUEST = frozenset({400, 413, 422})
PASSING = frozenset({408, 409, 425, 429})
SPENT = "insufficient_quota"
"""OpenAI says this with the status of a rate limit, but no waiting helps."""


class Passing(Exception):
    """A failure that may be gone in a moment. `wait`: seconds that the service asked for."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.what, self.wait = what, wait


def failure(endpoint: Endpoint, status: int, said: str, headers: Mapping[str, str], code: str | None) -> ChiasmError | Passing:
    """What an answer with a status of failure means."""
    if status in FAULTS_OF_A_REQUEST:
        return BadPrompt(f"{endpoint.name} does not take this request ({status}): {said}")
    if status in (401, 403):
        return RemoteFailure(f"{endpoint.name} refuses the key ({status}): set {endpoint.variable} to one that it accepts")
    if (status in PASSING or status >= 500) and code != SPENT:
        return Passing(f"status {status}: {said}", retry_after(headers))
    return RemoteFailure(f"{endpoint.name} answered with status {status}: {said}")


def retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """Seconds to wait: Retry-After as a number or a date (RFC 9110, 10.2.3)."""
    said = headers.get("retry-after", "").strip()
    if not said:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(said).timestamp() - now()
        except ValueError:
            return None
    return max(0.0, seconds) if seconds < float("inf") else None


@dataclass(frozen=True)
class Retries:
    """How often a request is tried in all, and how long is waited: `first` seconds, doubled each time up to `most`, less a
    random quarter so that many do not come back at once; or what the service asks for, but not above `patience`."""

    tries: int = 6
    first: float = 1.0
    most: float = 60.0
    patience: float = 300.0
    sleep: Callable[[float], None] = time.sleep

    def pause(self, endpoint: Endpoint, tried: int, trouble: Passing) -> None:
        """Waits for the next try. Raises `RemoteFailure` where there is none."""
        wait = min(self.most, self.first * 2 ** (tried - 1)) * random.uniform(0.75, 1.0)
        if trouble.wait is not None:
            wait = trouble.wait
        if tried >= self.tries or wait > self.patience:
            asked = f" and asks to wait {wait:.0f} s" if wait > self.patience else ""
            times = f"{tried} times" if tried > 1 else "once"
            raise RemoteFailure(
                f"{endpoint.name} failed {times}{asked}: {trouble.what}. What was answered is kept: run it again later"
            )
        log.info("%s: %s; again in %.1f s", endpoint.name, trouble.what, wait)
        self.sleep(wait)
