"""Anthropic's messages API, through the official client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chiasm.assistant import Extent, FinishReason, Score
from chiasm.errors import BadPrompt, Unsupported, need
from chiasm.remote.call import Call, Ended, Piece, Said, Served, Shown, Spent, honoured
from chiasm.remote.failures import Passing, failure
from chiasm.remote.keys import key_of, without
from chiasm.remote.names import Endpoint

FIELDS = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k"}
CACHED = ("cache_creation_input_tokens", "cache_read_input_tokens")
"""Tokens of a prompt that the service counts apart."""
REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}


class AnthropicMessages:
    """One client for one endpoint; for many threads."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self._library = need("anthropic", extra="api")
        self._endpoint, self._key = endpoint, key_of(endpoint)
        plain = self._library.DefaultHttpxClient(follow_redirects=False)
        self._client = self._library.Anthropic(
            api_key=self._key, base_url=endpoint.url, timeout=timeout, max_retries=0, http_client=plain
        )

    def answer(self, call: Call) -> Iterator[Said]:
        """Raises `Passing`, or what stays wrong, however often it is tried."""
        fields = honoured(call, FIELDS)
        system = "\n\n".join(_text(call, turn.parts) for turn in call.turns if turn.role == "system")
        messages = [
            {"role": turn.role, "content": [_part(part) for part in turn.parts]} for turn in call.turns if turn.role != "system"
        ]
        optional: dict[str, Any] = {"system": system, "stop_sequences": list(call.stop)}
        fields |= {name: value for name, value in optional.items() if value}
        try:
            with self._client.messages.create(
                model=call.endpoint.model, messages=messages, max_tokens=call.max_tokens, stream=True, **fields
            ) as stream:
                yield from self._said(event.to_dict(warnings=False) for event in stream)
        except self._library.APIError as e:
            raise self._meant(e) from None
        except (ValueError, AttributeError, TypeError):
            raise Passing("what it sent is not JSON of a message") from None

    def _said(self, events: Iterator[Mapping[str, Any]]) -> Iterator[Said]:
        prompt, ended = 0, False
        for event in events:
            match event:
                case {
                    "type": "message_start",
                    "message": {"model": str(model), "usage": {"input_tokens": int(fresh), **usage}},
                }:
                    yield Served({"model": model})
                    read = (usage.get(name) for name in CACHED)
                    prompt = fresh + sum(count for count in read if isinstance(count, int))
                case {"type": "content_block_delta", "delta": {"type": "text_delta", "text": str(text)}} if text:
                    yield Piece(text)
                case {"type": "message_delta", "delta": {"stop_reason": "refusal"}}:
                    raise BadPrompt(f"{self._endpoint.name} would not answer: its filter ended the answer")
                case {"type": "message_delta", "delta": {"stop_reason": str(reason)}, **rest}:
                    ended = True
                    match rest:
                        case {"usage": {"output_tokens": int(generated)}}:
                            yield Spent(prompt, generated)
                    yield Ended(REASONS.get(reason, "stop"))
        if not ended:
            raise Passing("the stream was cut before the answer's end")

    @property
    def scores(self) -> bool | None:
        """The API tells no log-probabilities."""
        return False

    def score(self, call: Call, options: tuple[str, ...], extent: Extent) -> list[Score]:
        raise Unsupported("score", call.endpoint.name)

    def _meant(self, error: Any) -> Exception:
        """A failure in our words, without the key."""
        said = without(error.message, self._key)
        match error:
            case self._library.APIStatusError():
                return failure(self._endpoint, error.status_code, said, error.response.headers, None)
            case self._library.APITimeoutError():
                return Passing("it did not answer in time")
            case self._library.APIConnectionError():
                return Passing("the connection failed")
            case _:
                return Passing(said)


def _text(call: Call, parts: tuple[str | Shown, ...]) -> str:
    if any(isinstance(part, Shown) for part in parts):
        raise BadPrompt(f"{call.endpoint.name} takes no picture in the system's message: show it in the user's")
    return "".join(part for part in parts if isinstance(part, str))


def _part(part: str | Shown) -> dict[str, Any]:
    match part:
        case str():
            return {"type": "text", "text": part}
        case Shown():
            return {"type": "image", "source": {"type": "base64", "media_type": part.media, "data": part.base64}}
