"""Anthropic's messages API, through the official client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chiasm.assistant import Extent, FinishReason, Score
from chiasm.errors import BadPrompt, Unsupported, need
from chiasm.remote.call import Call, Ended, Piece, Said, Served, Shown, Spent, honoured
from chiasm.remote.failures import Passing
from chiasm.remote.names import Endpoint
from chiasm.remote.service import Service

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
        library = need("anthropic", extra="api")
        self._endpoint = endpoint
        self._service = Service(library, library.Anthropic, endpoint, timeout, "message")

    def answer(self, call: Call) -> Iterator[Said]:
        """Raises `Passing`, or what stays wrong, however often it is tried."""
        fields = honoured(call, FIELDS)
        system = "\n\n".join(_text(call, turn.parts) for turn in call.turns if turn.role == "system")
        messages = [
            {"role": turn.role, "content": [_part(part) for part in turn.parts]} for turn in call.turns if turn.role != "system"
        ]
        optional: dict[str, Any] = {"system": system, "stop_sequences": list(call.stop)}
        fields |= {name: value for name, value in optional.items() if value}
        with (
            self._service.asked() as client,
            client.messages.create(
                model=call.endpoint.model, messages=messages, max_tokens=call.max_tokens, stream=True, **fields
            ) as stream,
        ):
            yield from self._said(event.to_dict(warnings=False) for event in stream)

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
