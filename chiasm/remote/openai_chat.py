"""OpenAI's chat API, as OpenAI, Gemini, vLLM, SGLang, llama.cpp and Ollama serve it, through the official client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chiasm.assistant import Extent, FinishReason, Score
from chiasm.errors import BadPrompt, Unsupported, need
from chiasm.remote.call import Call, Ended, Piece, Said, Served, Shown, Spent, Turn, honoured
from chiasm.remote.failures import Passing
from chiasm.remote.names import Endpoint
from chiasm.remote.service import Service

COMMON = {"temperature": "temperature", "top_p": "top_p", "seed": "seed"}
ADDED = {"top_k": "top_k", "min_p": "min_p", "repetition_penalty": "repetition_penalty", "min_new_tokens": "min_tokens"}
"""Fields that open servers have added to the API. A server that knows them not may pass over them in silence:
`chiasm.remote.standing` finds out."""
FACTS = {"model": "model", "system_fingerprint": "build"}
"""What a service says of itself, and how it is called here."""
REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length", "tool_calls": "stop", "function_call": "stop"}


@dataclass(frozen=True)
class Unanswered:
    """A prompt that an answer is to follow."""


@dataclass(frozen=True)
class Begun:
    """A prompt whose answer has begun."""

    option: str


@dataclass(frozen=True)
class Complete:
    """A prompt whose answer has ended."""

    option: str


Last = Unanswered | Begun | Complete


class OpenAIChat:
    """One client for one endpoint; for many threads."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self._library = need("openai", extra="api")
        self._endpoint = endpoint
        self._service = Service(self._library, self._library.OpenAI, endpoint, timeout, "chat", lambda error: error.code)

    def answer(self, call: Call) -> Iterator[Said]:
        """Raises `Passing`, or what stays wrong, however often it is tried."""
        limit = "max_completion_tokens" if call.endpoint.official else "max_tokens"
        fields: dict[str, Any] = {limit: call.max_tokens, **({"stop": list(call.stop)} if call.stop else {})}
        told = honoured(call, COMMON if call.endpoint.official else COMMON | ADDED)
        common = {name: value for name, value in told.items() if name in COMMON.values()}
        added = {name: value for name, value in told.items() if name not in common}
        messages = [_message(turn) for turn in call.turns]
        with (
            self._service.asked() as client,
            client.chat.completions.create(
                model=call.endpoint.model,
                messages=messages,
                stream=True,
                stream_options={"include_usage": True},
                extra_body=added or None,
                **fields,
                **common,
            ) as stream,
        ):
            yield from self._said(chunk.to_dict(warnings=False) for chunk in stream)

    def _said(self, chunks: Iterator[Mapping[str, Any]]) -> Iterator[Said]:
        ended, served = False, dict[str, str]()
        for chunk in chunks:
            facts = {ours: said for theirs, ours in FACTS.items() if isinstance(said := chunk.get(theirs), str) and said}
            if facts.keys() - served.keys():
                served |= facts
                yield Served(dict(served))
            match chunk:
                case {"usage": {"prompt_tokens": int(prompt), "completion_tokens": int(generated)}}:
                    yield Spent(prompt, generated)
            match chunk:
                case {"choices": [{"delta": {"content": str(text)}}, *_]} if text:
                    yield Piece(text)
            match chunk:
                case {"choices": [{"finish_reason": "content_filter"}, *_]}:
                    raise BadPrompt(f"{self._endpoint.name} would not answer: its filter ended the answer")
                case {"choices": [{"finish_reason": str(reason)}, *_]}:
                    ended = True
                    yield Ended(REASONS.get(reason, "stop"))
        if not ended:
            raise Passing("the stream was cut before the answer's end")

    @property
    def scores(self) -> bool | None:
        """OpenAI's own service tells no log-probabilities of a prompt; of others only asking shows it."""
        return False if self._endpoint.official else None

    def score(self, call: Call, options: tuple[str, ...], extent: Extent) -> list[Score]:
        """Log-probabilities of given answers, on servers that tell those of a prompt (vLLM). Raises `Unsupported` elsewhere.

        A complete answer ends with the first token that the server's template writes after it."""
        opening = len(self._prompt(call, Unanswered()))
        return [self._scored(call, option, opening, extent) for option in options]

    def _scored(self, call: Call, option: str, opening: int, extent: Extent) -> Score:
        """The token that stands at a place comes first among those that are told there."""
        places = self._prompt(call, Begun(option))[opening:]
        if extent == "complete":
            own, places = places, self._prompt(call, Complete(option))[opening : opening + len(places) + 1]
            if len(places) != len(own) + 1 or [list(place) for place in places[:-1]] != [list(place) for place in own]:
                raise Unsupported("score complete answers: its template ends them with no token of its own", call.endpoint.name)
        logprobs = [float(next(iter(place.values()))["logprob"]) for place in places]
        return Score(option, sum(logprobs), len(logprobs))

    def _prompt(self, call: Call, last: Last) -> list[Any]:
        """What the server tells of each token of the prompt."""
        if call.endpoint.official:
            raise Unsupported("score", call.endpoint.name)
        messages = [_message(turn) for turn in call.turns]
        match last:
            case Unanswered():
                begun, going_on = [], {"add_generation_prompt": True, "continue_final_message": False}
            case Begun(option):
                begun = [{"role": "assistant", "content": option}]
                going_on = {"add_generation_prompt": False, "continue_final_message": True}
            case Complete(option):
                begun = [{"role": "assistant", "content": option}]
                going_on = {"add_generation_prompt": False, "continue_final_message": False}
        extra = {"prompt_logprobs": 0, **going_on}
        with self._service.asked() as client:
            try:
                told = client.chat.completions.create(
                    model=call.endpoint.model, messages=[*messages, *begun], max_tokens=1, temperature=0, extra_body=extra
                ).to_dict(warnings=False)
            except (self._library.BadRequestError, self._library.UnprocessableEntityError):
                raise Unsupported("score", call.endpoint.name) from None
        match told:
            case {"prompt_logprobs": [*places]}:
                return places
            case _:
                raise Unsupported("score", call.endpoint.name)


def _message(turn: Turn) -> dict[str, Any]:
    if all(isinstance(part, str) for part in turn.parts):
        return {"role": turn.role, "content": "".join(part for part in turn.parts if isinstance(part, str))}
    return {"role": turn.role, "content": [_part(part) for part in turn.parts]}


def _part(part: str | Shown) -> dict[str, Any]:
    match part:
        case str():
            return {"type": "text", "text": part}
        case Shown():
            return {"type": "image_url", "image_url": {"url": part.url}}
