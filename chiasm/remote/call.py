"""One request as a service is sent it, and the hash of all that decides its answer."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from chiasm.assistant import FinishReason, Request
from chiasm.errors import Unsupported
from chiasm.generate.sampling import DEFAULT_CYCLE, USUAL, Sampling
from chiasm.pixels.clips import Clip
from chiasm.pixels.open import Limits, Source, open_picture
from chiasm.prompt.messages import Image, Message, Text
from chiasm.remote.names import Endpoint

LARGEST = 3_500_000
"""Bytes of a PNG above which a picture is sent as a JPEG: services refuse pictures of more than 5 MB in base64."""
UNTOLD = frozenset({"max_new_tokens"})
"""Fields of sampling that no service is told: the request has its own bound."""
EDITION = 1
"""Raised when a request is sent in another form than before, so that no answer to an older form is taken for one to it."""


@dataclass(frozen=True)
class Shown:
    """A picture as it is sent: upright, without the file's other data (where it was taken). `sha256` is of its pixels."""

    media: str
    base64: str
    sha256: str

    @property
    def url(self) -> str:
        return f"data:{self.media};base64,{self.base64}"


@dataclass(frozen=True)
class Turn:
    """What one side said: texts and pictures, in order."""

    role: str
    parts: tuple[str | Shown, ...]


@dataclass(frozen=True)
class Call:
    """A conversation with its pictures opened. No sampling: the service's own."""

    endpoint: Endpoint
    turns: tuple[Turn, ...]
    max_tokens: int
    sampling: Sampling | None
    stop: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides the answer; the key is not among it."""
        turns = [
            [turn.role, [part if isinstance(part, str) else {"sha256": part.sha256} for part in turn.parts]]
            for turn in self.turns
        ]
        sampling = asdict(self.sampling) if self.sampling is not None else None
        where = [EDITION, self.endpoint.api, self.endpoint.url, self.endpoint.model]
        told = json.dumps([where, turns, self.max_tokens, sampling, self.stop], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()

    @property
    def repeats(self) -> bool:
        """Whether the same answer may be given again: not where a person asked for a fresh draw each time."""
        return self.sampling is None or self.sampling.temperature == 0 or self.sampling.seed is not None

    @property
    def weight(self) -> int:
        """About how many tokens it costs, for rate limits: four letters a token, a thousand a picture, the longest answer."""
        parts = [part for turn in self.turns for part in turn.parts]
        return self.max_tokens + sum(len(part) // 4 + 4 if isinstance(part, str) else 1000 for part in parts)


@dataclass(frozen=True)
class Piece:
    """More text of an answer."""

    text: str


@dataclass(frozen=True)
class Spent:
    """Tokens of a request, as the service counts them; sent with or after the last piece."""

    prompt: int
    generated: int


@dataclass(frozen=True)
class Ended:
    """Why an answer ended."""

    reason: FinishReason


@dataclass(frozen=True)
class Served:
    """What a service says of itself: the name of the model that answers, its build."""

    facts: Mapping[str, str]


Said = Piece | Spent | Ended | Served


def call_of(endpoint: Endpoint, request: Request, limits: Limits) -> Call:
    """Raises `BadPicture`, where a picture cannot be opened, and `Unsupported` for a clip or a page that was read before."""
    turns = tuple(_turn(message, endpoint.name, limits) for message in request.messages)
    return Call(endpoint, turns, request.max_tokens or USUAL, request.sampling, request.stop)


def _turn(message: Message, model: str, limits: Limits) -> Turn:
    return Turn(message.role, tuple(_part(part, model, limits) for part in message.content))


def _part(part: Text | Image, model: str, limits: Limits) -> str | Shown:
    pixels_HWC = picture_of(part, model, limits)
    if pixels_HWC is not None:
        return shown(pixels_HWC)
    assert isinstance(part, Text)
    return part.text


def picture_of(part: Text | Image, model: str, limits: Limits) -> NDArray[np.uint8] | None:
    """The pixels of what is shown, [H, W, 3]; none of words. Raises `Unsupported` for what no model of another's is shown."""
    match part:
        case Text():
            return None
        case Image(picture=Clip()):
            raise Unsupported("read clips", model)
        case Image(words=words, boxes=boxes) if words or boxes:
            raise Unsupported("be given the words and boxes of a page", model)
        case Image(picture=picture):
            return open_picture(cast(Source, picture), limits).pixels


def shown(pixels_HWC: NDArray[np.uint8]) -> Shown:
    """A picture without loss, or as a JPEG of quality 95 where that would be too large."""
    picture, file = Pillow.fromarray(pixels_HWC), io.BytesIO()
    picture.save(file, "PNG")
    media = "image/png"
    if file.tell() > LARGEST:
        file, media = io.BytesIO(), "image/jpeg"
        picture.save(file, "JPEG", quality=95, subsampling=0)
    size = f"{media} {picture.height}x{picture.width}\n".encode()
    return Shown(media, base64.b64encode(file.getvalue()).decode(), hashlib.sha256(size + pixels_HWC.tobytes()).hexdigest())


def honoured(call: Call, names: Mapping[str, str]) -> dict[str, Any]:
    """Fields of sampling under the names that an API has for them. Raises `Unsupported` for one that it has no name for."""
    if call.sampling is None:
        return {}
    told = asked(call.sampling, set(names), call.endpoint.name)
    return {names[name]: value for name, value in ({"temperature": call.sampling.temperature} | told).items()}


def asked(sampling: Sampling, known: Collection[str], model: str) -> dict[str, Any]:
    """What a sampling asks for beyond the default. That nothing counts as endless repetition asks for nothing. Raises
    `Unsupported` for what a model of another's cannot honour, by name."""
    default = asdict(Sampling()) | {"cycle": None}
    chosen = asdict(sampling) | ({"cycle": None} if sampling.cycle == DEFAULT_CYCLE else {})
    told = {name: value for name, value in chosen.items() if name not in UNTOLD and value != default[name]}
    if lacking := sorted(set(told) - set(known)):
        raise Unsupported(f"honour {', '.join(lacking)}: leave that out of the sampling", model)
    return told
