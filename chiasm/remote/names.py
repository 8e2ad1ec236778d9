"""Names of models elsewhere: `openai:MODEL`, `anthropic:MODEL`, either with `@http://...` for another server."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from chiasm.errors import UserError

Api = Literal["openai", "anthropic"]
HOMES: dict[Api, str] = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
KEYS = {
    "api.openai.com": "OPENAI_API_KEY",
    "api.anthropic.com": "ANTHROPIC_API_KEY",
    "generativelanguage.googleapis.com": "GEMINI_API_KEY",
}
OTHERS = "CHIASM_API_KEY"
"""A service is sent its own key and never another's; every other server this one, where it is set."""


@dataclass(frozen=True)
class Endpoint:
    """A model behind an API. `name` is what a person wrote."""

    api: Api
    model: str
    url: str
    name: str

    @property
    def variable(self) -> str:
        """The environment variable that holds this service's key."""
        return KEYS.get(urlsplit(self.url).hostname or "", OTHERS)

    @property
    def host(self) -> str:
        """Where it is, without the path."""
        return urlsplit(self.url).netloc

    def digest(self, what: str) -> str:
        """Under which it is kept what was found out about this service."""
        return hashlib.sha256(json.dumps([what, self.api, self.url, self.model]).encode()).hexdigest()

    @property
    def official(self) -> bool:
        """Whether this is the API's own maker, who refuses fields that others have added."""
        return self.url == HOMES[self.api]

    @property
    def private(self) -> bool:
        """Whether nobody else can read what is sent: over TLS, or on this machine."""
        parts = urlsplit(self.url)
        return parts.scheme == "https" or _loopback(parts.hostname or "")


@dataclass(frozen=True)
class Library:
    """A folder that transformers itself is to compute."""

    folder: str
    name: str


def parse(name: str) -> Endpoint | Library | None:
    """What a name means; None where it is no name of a model elsewhere. Raises `UserError` for half a name."""
    kind, colon, rest = name.partition(":")
    match kind:
        case "transformers" if colon:
            if not rest:
                raise UserError(f"{name!r} names no folder: write transformers:FOLDER")
            return Library(rest, name)
        case "openai" | "anthropic" if colon:
            model, at, address = rest.partition("@http")
            if not model:
                raise UserError(f"{name!r} names no model: write {kind}:MODEL or {kind}:MODEL@http://HOST:PORT/v1")
            return Endpoint(kind, model, _checked("http" + address) if at else HOMES[kind], name)
        case _:
            return None


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError("the address after @ in a model's name has no host: write it as http://HOST:PORT/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        message = (
            f"the address of {parts.hostname} holds more than a host and a path: keys belong into the environment ({OTHERS})"
        )
        raise UserError(message)
    return url.rstrip("/")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
