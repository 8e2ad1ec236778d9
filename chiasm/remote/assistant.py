"""A model behind an API, as an assistant."""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from functools import cached_property
from typing import Protocol

from chiasm.assistant import Answer, Assistant, Delta, Done, Event, Extent, FinishReason, Request, Score, Usage, Verb
from chiasm.errors import BadPrompt, RemoteFailure, Unsupported, UserError
from chiasm.pixels.open import Limits
from chiasm.prompt.messages import question
from chiasm.remote.answers import Answers, Kept
from chiasm.remote.anthropic_messages import AnthropicMessages
from chiasm.remote.bill import Bill
from chiasm.remote.call import Call, Piece, Said, call_of
from chiasm.remote.departures import PASSED_OVER, Told, departures, ended, settled
from chiasm.remote.failures import Passing, Retries
from chiasm.remote.names import Endpoint
from chiasm.remote.openai_chat import OpenAIChat
from chiasm.remote.pace import Pace
from chiasm.remote.standing import Fields, Standing, examined

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


class RemoteAssistant(Assistant):
    """A service's model. Answers are kept in `answers` and given again without a request. Where one shows that the service
    passed over what it was sent, that is said once and stands in what it was `served` by; a stop string ends it all the same.

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
        self._told = Told(self.name)

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
        return self.endpoint.digest("scores")

    @property
    def fields(self) -> Fields:
        """What the service can be sent, and what is known of how it takes it."""
        return Fields(self.endpoint, self._answers)

    def examine(self) -> dict[str, Standing]:
        """Asks the service, in some fourteen small requests, which fields it honours; what was found is kept."""

        def ask(request: Request) -> Kept:
            *_, said = self._tried(0, call_of(self.endpoint, request, self._limits), set(), None)
            return said

        found = examined(self.endpoint, ask)
        self.fields.keep(found)
        return found

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
            so_far = settled(said.text, call.stop)
            if shown.startswith(so_far):
                continue
            if not so_far.startswith(shown):
                break
            yield Delta(0, so_far[len(shown) :])
            shown = so_far
        if said is None or not (whole := ended(said.text, call.stop)).startswith(shown):
            raise RemoteFailure(f"{self.name}: its stream was cut, and asked again it said something else: ask once more")
        if whole != shown:
            yield Delta(0, whole[len(shown) :])
        yield Done(0, self._answer(call, said, started))

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
        return Done(number, self._answer(call, said, started))

    def _growing(self, number: int, call: Call, cancelled: set[int]) -> Iterator[Kept]:
        """The answer so far, again and again, and at last whole. A second try begins from nothing."""
        kept = self._answers.get(call.digest) if call.repeats else None
        if kept is not None:
            self._charge(Bill(kept=1))
            yield kept
            return
        yield from self._tried(number, call, cancelled, self._answers if call.repeats else None)

    def _tried(self, number: int, call: Call, cancelled: set[int], keep: Answers | None) -> Iterator[Kept]:
        """The same, asked of the service."""
        for tried in itertools.count(1):
            self._pace.enter(call.weight)
            said = Kept("", "cancelled", 0, 0)
            try:
                for one in () if number in cancelled else self._service.answer(call):
                    said = said.after(one)
                    if isinstance(one, Piece):
                        yield said
                    if number in cancelled:
                        said = replace(said, finish_reason="cancelled")
                        break
                break
            except Passing as trouble:
                self._retries.pause(self.endpoint, tried, trouble)
        self._charge(Bill(1, 0, said.prompt_tokens, said.generated_tokens))
        if keep is not None and said.finish_reason != "cancelled":
            keep.put(call.digest, said)
        yield said

    def _charge(self, more: Bill) -> None:
        with self._lock:
            self.bill += more

    def _answer(self, call: Call, said: Kept, started: float) -> Answer:
        usage = Usage(0, said.prompt_tokens, said.generated_tokens)
        seconds = {"decode": time.perf_counter() - started}
        passed_over = departures(call, said)
        served = {**said.served, **({PASSED_OVER: ", ".join(passed_over)} if passed_over else {})}
        reason: FinishReason = "stop" if "stop" in passed_over else said.finish_reason
        self._told.of(passed_over)
        return Answer(ended(said.text, call.stop), usage, reason, self.name, seconds, served=served)


def _service(endpoint: Endpoint, timeout: float) -> Service:
    match endpoint.api:
        case "openai":
            return OpenAIChat(endpoint, timeout)
        case "anthropic":
            return AnthropicMessages(endpoint, timeout)
