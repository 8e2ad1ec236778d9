"""A model behind an API, as an assistant."""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from typing import Protocol

from chiasm.assistant import Answer, Assistant, Delta, Done, Event, Extent, Request, Score, Usage, Verb
from chiasm.errors import BadPrompt, RemoteFailure, Unsupported, UserError
from chiasm.pixels.open import Limits
from chiasm.prompt.messages import question
from chiasm.remote.answers import Answers, Kept
from chiasm.remote.anthropic_messages import AnthropicMessages
from chiasm.remote.call import Call, Ended, Piece, Said, Served, Spent, call_of
from chiasm.remote.failures import Passing, Retries
from chiasm.remote.names import Endpoint
from chiasm.remote.openai_chat import OpenAIChat
from chiasm.remote.pace import Pace

TRIAL = Request((question("Is the sky blue? Answer yes or no."),), max_tokens=1)
"""What is asked to see whether a service tells log-probabilities."""
TIMEOUT = 120.0
PARALLEL = 8


class Service(Protocol):
    """What an API can do, once."""

    def answer(self, call: Call) -> Iterator[Said]: ...

    @property
    def scores(self) -> bool | None:
        """Whether it tells log-probabilities of given answers; none: only asking shows it."""

    def score(self, call: Call, options: tuple[str, ...], extent: Extent) -> list[Score]: ...


@dataclass(frozen=True)
class Bill:
    """What an assistant has cost so far: requests that a service answered, answers that were at hand, and tokens as counted by
    the service."""

    requests: int = 0
    kept: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0

    def __add__(self, other: Bill) -> Bill:
        return Bill(*map(sum, zip(astuple(self), astuple(other), strict=True)))


class RemoteAssistant(Assistant):
    """A service's model. Answers are kept in `answers` and given again without a request.

    The service tells one number for a prompt: an answer's usage counts pictures among `text_tokens`. Without a sampling the
    service's own is used. `score` works on servers that tell a prompt's log-probabilities, which only asking shows: the first
    look at the capabilities asks, with one small request, and what was found is kept as answers are. For one thread at a time.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        answers: Answers | None = None,
        pace: Pace | None = None,
        retries: Retries | None = None,
        limits: Limits | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self.name, self.endpoint, self.bill = endpoint.name, endpoint, Bill()
        self._service = _service(endpoint, timeout)
        self._answers, self._pace = answers or Answers(), pace or Pace.from_environment()
        self._retries, self._limits = retries or Retries(), limits or Limits()
        self._lock = threading.Lock()
        self._cancelled: set[int] = set()

    @property
    def capabilities(self) -> frozenset[Verb]:
        return frozenset({"generate", "score"} if self._scores else {"generate"})

    @cached_property
    def _scores(self) -> bool:
        known = self._service.scores
        if known is None:
            known = self._answers.read(self._telling).get("scores")
        if isinstance(known, bool):
            return known
        try:
            self._scored(call_of(self.endpoint, TRIAL, self._limits), ("yes",), "complete")
        except (Unsupported, BadPrompt):
            self._answers.write(self._telling, {"scores": False})
            return False
        self._answers.write(self._telling, {"scores": True})
        return True

    @property
    def _telling(self) -> str:
        """The digest under which it is kept whether this service tells log-probabilities."""
        where = ["scores", self.endpoint.api, self.endpoint.url, self.endpoint.model]
        return hashlib.sha256(json.dumps(where).encode()).hexdigest()

    def cancel(self, request: int) -> None:
        self._cancelled.add(request)

    def generate(self, requests: Sequence[Request]) -> Iterator[Event]:
        """One request's text comes as it is written; of several, asked side by side, each comes whole. Where the service
        does not take one of several, the others are answered first."""
        if not requests:
            raise BadPrompt("there is no request: give at least one conversation")
        calls = [call_of(self.endpoint, request, self._limits) for request in requests]
        cancelled: set[int] = set()
        self._cancelled = cancelled
        if len(calls) == 1:
            yield from self._live(calls[0], cancelled)
        else:
            yield from self._beside(calls, cancelled)

    def score(self, request: Request, options: Sequence[str], extent: Extent = "complete") -> list[Score]:
        call = call_of(self.endpoint, request, self._limits)
        digest = hashlib.sha256(json.dumps([call.digest, list(options), extent]).encode()).hexdigest()
        kept = self._answers.read(digest).get("scores")
        if kept is not None:
            return [Score(option, *one) for option, one in zip(options, kept, strict=True)]
        try:
            found = self._scored(call, tuple(options), extent)
        except Unsupported:
            self._answers.write(self._telling, {"scores": False})
            raise
        self._answers.write(digest, {"scores": [[one.logprob, one.tokens] for one in found]})
        return found

    def _scored(self, call: Call, options: tuple[str, ...], extent: Extent) -> list[Score]:
        for tried in itertools.count(1):
            self._pace.enter(call.weight * (1 + len(options)))
            try:
                return self._service.score(call, options, extent)
            except Passing as trouble:
                self._retries.pause(self.endpoint, tried, trouble)
        raise AssertionError("unreachable")

    def _live(self, call: Call, cancelled: set[int]) -> Iterator[Event]:
        """Where a stream is cut and the next try says the same again, what was shown is not shown twice."""
        started, shown, said = time.perf_counter(), "", None
        for said in self._growing(0, call, cancelled):
            if shown.startswith(said.text):
                continue
            if not said.text.startswith(shown):
                break
            yield Delta(0, said.text[len(shown) :])
            shown = said.text
        if said is None or said.text != shown:
            raise RemoteFailure(f"{self.name}: its stream was cut, and asked again it said something else: ask once more")
        yield Done(0, self._answer(said, started))

    def _beside(self, calls: Sequence[Call], cancelled: set[int]) -> Iterator[Event]:
        pool, refused = ThreadPoolExecutor(min(PARALLEL, len(calls))), None
        asked = [pool.submit(self._whole, number, call, cancelled) for number, call in enumerate(calls)]
        try:
            for future in as_completed(asked):
                try:
                    done = future.result()
                except UserError as e:
                    refused = refused or e
                    continue
                if done.answer.text:
                    yield Delta(done.request, done.answer.text)
                yield done
        except (GeneratorExit, KeyboardInterrupt):
            cancelled.update(range(len(calls)))
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        if refused is not None:
            raise refused

    def _whole(self, number: int, call: Call, cancelled: set[int]) -> Done:
        started = time.perf_counter()
        *_, said = self._growing(number, call, cancelled)
        return Done(number, self._answer(said, started))

    def _growing(self, number: int, call: Call, cancelled: set[int]) -> Iterator[Kept]:
        """The answer so far, again and again, and at last whole. A second try begins from nothing."""
        kept = self._answers.get(call.digest) if call.repeats else None
        if kept is not None:
            self._charge(Bill(kept=1))
            yield kept
            return
        for tried in itertools.count(1):
            self._pace.enter(call.weight)
            said = Kept("", "cancelled", 0, 0)
            try:
                for one in () if number in cancelled else self._service.answer(call):
                    said = _heard(said, one)
                    if isinstance(one, Piece):
                        yield said
                    if number in cancelled:
                        said = replace(said, finish_reason="cancelled")
                        break
                break
            except Passing as trouble:
                self._retries.pause(self.endpoint, tried, trouble)
        self._charge(Bill(1, 0, said.prompt_tokens, said.generated_tokens))
        if call.repeats and said.finish_reason != "cancelled":
            self._answers.put(call.digest, said)
        yield said

    def _charge(self, more: Bill) -> None:
        with self._lock:
            self.bill += more

    def _answer(self, said: Kept, started: float) -> Answer:
        usage = Usage(0, said.prompt_tokens, said.generated_tokens)
        seconds = {"decode": time.perf_counter() - started}
        return Answer(said.text, usage, said.finish_reason, self.name, seconds, served=said.served)


def _heard(said: Kept, one: Said) -> Kept:
    match one:
        case Piece(text=text):
            return replace(said, text=said.text + text)
        case Spent(prompt=prompt, generated=generated):
            return replace(said, prompt_tokens=prompt, generated_tokens=generated)
        case Ended(reason=reason):
            return replace(said, finish_reason=reason)
        case Served(facts=facts):
            return replace(said, served=facts)


def _service(endpoint: Endpoint, timeout: float) -> Service:
    match endpoint.api:
        case "openai":
            return OpenAIChat(endpoint, timeout)
        case "anthropic":
            return AnthropicMessages(endpoint, timeout)
