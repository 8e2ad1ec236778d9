"""A server on this machine that speaks OpenAI's and Anthropic's chat APIs, and fails as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


@dataclass
class Heard:
    """One request that came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class ChatServer:
    """`script` are replies to the first requests, in turn; `usual` is the reply to every other."""

    url: str
    usual: Reply
    script: list[Reply] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)


@contextmanager
def chat_server(usual: Reply) -> Iterator[ChatServer]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                server.heard.append(Heard(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                reply = server.script.pop(0) if server.script else server.usual
            reply(self, body)

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    server = ChatServer(f"http://127.0.0.1:{listening.server_address[1]}", usual)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()


def sent(handler: BaseHTTPRequestHandler, status: int, content: str, kind: str, **headers: str) -> None:
    handler.send_response(status)
    handler.send_header("content-type", kind)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    with suppress(OSError):
        handler.wfile.write(content.encode())


def events(*data: object) -> str:
    return "".join(f"data: {json.dumps(one) if not isinstance(one, str) else one}\n\n" for one in data)


def chunk(text: str | None = None, reason: str | None = None) -> dict[str, Any]:
    delta = {"content": text} if text is not None else {}
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}


def usage(prompt: int, generated: int) -> dict[str, Any]:
    counted = {"prompt_tokens": prompt, "completion_tokens": generated, "total_tokens": prompt + generated}
    return {**chunk(), "choices": [], "usage": counted}


def says(*pieces: str, reason: str = "stop") -> Reply:
    """A chat that ends well."""
    whole = events(*map(chunk, pieces), chunk(reason=reason), usage(31, len(pieces)), "[DONE]")
    return lambda handler, _: sent(handler, 200, whole, "text/event-stream")


def cut(*pieces: str) -> Reply:
    """A stream whose connection ends before its answer does."""
    return lambda handler, _: sent(handler, 200, events(*map(chunk, pieces)), "text/event-stream")


def fails(status: int, message: str, code: str | None = None, **headers: str) -> Reply:
    body = json.dumps({"error": {"message": message, "type": "t", "code": code}})
    return lambda handler, _: sent(handler, status, body, "application/json", **headers)


def slow(seconds: float) -> Reply:
    def reply(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
        time.sleep(seconds)
        says("late")(handler, {})

    return reply


def plain(content: str, kind: str = "text/event-stream") -> Reply:
    return lambda handler, _: sent(handler, 200, content, kind)


def message(*pieces: str, reason: str = "end_turn") -> Reply:
    """As `says`, in Anthropic's events."""
    start = {"id": "m", "type": "message", "role": "assistant", "content": list[Any](), "model": "m", "stop_reason": None}
    told: list[dict[str, Any]] = [
        {
            "type": "message_start",
            "message": {**start, "usage": {"input_tokens": 20, "cache_read_input_tokens": 5, "output_tokens": 1}},
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": one}} for one in pieces),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": len(pieces)}},
        {"type": "message_stop"},
    ]
    whole = "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in told)
    return lambda handler, _: sent(handler, 200, whole, "text/event-stream")
