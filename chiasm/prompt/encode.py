"""From a rendered conversation to ids, where nothing that a person typed can become a control token.

Harmless text, nearly all of it, is encoded in one go, so that its ids are the reference's. Only if a control token came
out of somebody's words is the text encoded again by a twin of the tokenizer that knows the control tokens under secret
names alone: the template's own are renamed before, the typed ones are then ordinary characters in their place.
"""

from __future__ import annotations

import json
import secrets
from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

import tokenizers

from chiasm.errors import BadPrompt
from chiasm.prompt.messages import Image
from chiasm.prompt.spans import Rendered
from chiasm.prompt.tokenizer import Tokenizer, read

BLANK = chr(0xF0000)


class Frame(Enum):
    """Whether the tokenizer's own beginning and end of sequence go around a rendered conversation."""

    UNLESS_WRITTEN = "unless the template has written the beginning itself (transformers' processors)"
    NEVER = "never (transformers' tokenizers, for chats)"
    ALWAYS = "always"


@dataclass(frozen=True)
class Encoded:
    """Ids of a rendered conversation, and for each of them where it comes from.

    `offsets` are characters of `rendered.text` (start, end); `origin` is the number of the span in `rendered.spans`
    that the token has characters of, or None for the template's own; `control` says that it is a control token, which
    only the template, the frame or a text that is not literal can have written.
    """

    rendered: Rendered
    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]
    origin: tuple[int | None, ...]
    control: tuple[bool, ...]

    def places(self, id: int) -> tuple[int, ...]:
        """Where a control token stands, a picture's placeholder for example."""
        return tuple(k for k, (one, control) in enumerate(zip(self.ids, self.control, strict=True)) if control and one == id)


def encode(rendered: Rendered, tokenizer: Tokenizer, frame: Frame = Frame.UNLESS_WRITTEN) -> Encoded:
    """Encodes a rendered conversation.

    Equal to the reference's ids as long as no literal text spells a control token. If one does, its characters are
    tokenised as the plain text that they are, and everything else as before.
    Raises `BadPrompt` if they cannot be told apart (no known tokenizer does that).
    """
    framed = _framed(rendered, tokenizer, frame)
    spans = _Spans(rendered, tokenizer)
    before, after = tokenizer.frame if framed else ((), ())
    tokens = spans.tokens(*tokenizer.read(rendered.text))
    if any(spans.typed(token) for token in tokens):
        tokens = _Twin.of(tokenizer).encode(spans)
    return Encoded(
        rendered=rendered,
        ids=(*before, *(token.id for token in tokens), *after),
        offsets=(*((0, 0) for _ in before), *((t.start, t.end) for t in tokens), *((0, 0) for _ in after)),
        origin=(*(None for _ in before), *(spans.origin(t) for t in tokens), *(None for _ in after)),
        control=(*(True for _ in before), *(t.control for t in tokens), *(True for _ in after)),
    )


def supervised(encoded: Encoded, roles: Collection[str] = ("assistant",), led: int = 0) -> list[bool]:
    """Which tokens a model is trained to say: for each id, whether it counts.

    These are the tokens with a character of a text by one of `roles`, and the control token that ends such a turn: the
    one that the template writes right after the turn's last words, with nothing but whitespace (which then counts too)
    in between. So do tokens of the last `led` characters before such a turn's first words: whitespace that the prompt of an
    answer does not write, so that the model has to.
    """
    counts = [False] * len(encoded.ids)
    spans, messages, text = encoded.rendered.spans, encoded.rendered.messages, encoded.rendered.text
    for k, origin in enumerate(encoded.origin):
        if origin is None or spans[origin].role not in roles:
            continue
        counts[k] = True
        span = spans[origin]
        before = k - 1
        while before >= 0 and _leads(encoded, before, span.start - led, span.start):
            counts[before], before = True, before - 1
        shown_later = any(isinstance(part, Image) for part in messages[span.message].content[span.part + 1 :])
        if k + 1 < len(counts) and encoded.origin[k + 1] is None and not shown_later:
            end = k + 1
            while end < len(counts) and encoded.origin[end] is None and not encoded.control[end]:
                if text[slice(*encoded.offsets[end])].strip():
                    break
                end += 1
            else:
                if end < len(counts) and encoded.control[end]:
                    counts[k + 1 : end + 1] = [True] * (end - k)
    return counts


def _leads(encoded: Encoded, token: int, first: int, end: int) -> bool:
    """Whether a token is whitespace that the template wrote from one character up to another."""
    start, stop = encoded.offsets[token]
    within = first <= start and stop <= end and start < end
    return within and encoded.origin[token] is None and not encoded.control[token]


def _framed(rendered: Rendered, tokenizer: Tokenizer, frame: Frame) -> bool:
    match frame:
        case Frame.ALWAYS:
            return True
        case Frame.NEVER:
            return False
        case Frame.UNLESS_WRITTEN:
            bos = tokenizer.special.get("bos_token")
            return bos is None or not _writes(rendered, bos)


def _writes(rendered: Rendered, token: str) -> bool:
    """Whether the template itself wrote a token before anybody's first word: PaliGemma's beginning stands after the picture,
    and what begins a later turn (Llama 2's) begins no text."""
    first = min((span.start for span in rendered.spans), default=len(rendered.text))
    return token in rendered.text[:first]


class _Token(NamedTuple):
    id: int
    start: int
    end: int
    control: bool


class _Spans:
    """Whose characters a token has."""

    def __init__(self, rendered: Rendered, tokenizer: Tokenizer) -> None:
        self.text, self.spans, self.tokenizer = rendered.text, rendered.spans, tokenizer
        self.starts = [span.start for span in rendered.spans]
        self.controls = frozenset(tokenizer.controls.values())
        self.unknown = tokenizer.unk_id, tokenizer.special.get("unk_token")

    def over(self, start: int, end: int) -> int | None:
        """The first span with a character from `start` up to `end`."""
        at = max(bisect_right(self.starts, start) - 1, 0)
        for k in range(at, len(self.spans)):
            if self.spans[k].start >= end:
                return None
            if self.spans[k].end > start:
                return k
        return None

    def tokens(self, ids: list[int], offsets: list[tuple[int, int]], text: str | None = None) -> list[_Token]:
        """What the tokenizer made of the text (or of another of the same length)."""
        text = self.text if text is None else text
        unknown, written = self.unknown

        def control(id: int, start: int, end: int) -> bool:
            # A character that the vocabulary lacks gets the unknown token's id without being that token.
            return id in self.controls and (id != unknown or text[start:end].strip() == written)

        return [_Token(id, *at, control(id, *at)) for id, at in zip(ids, offsets, strict=True)]

    def typed(self, token: _Token) -> bool:
        """Whether a control token came out of somebody's words."""
        if not token.control:
            return False
        span = self.over(*self._core(token))
        return span is not None and self.spans[span].literal

    def origin(self, token: _Token) -> int | None:
        if token.control:
            return self.over(*self._core(token))
        # A token of spaces alone may be given no width, at its end.
        return self.over(min(token.start, token.end - 1), token.end)

    def _core(self, token: _Token) -> tuple[int, int]:
        """A control token's place without the whitespace that it swallowed beside it."""
        written = self.text[token.start : token.end]
        start = token.start + len(written) - len(written.lstrip())
        return start, start + len(written.strip())


class _Twin:
    """A tokenizer with the same rules and ids whose control tokens go by secret names."""

    @staticmethod
    @lru_cache(maxsize=4)
    def of(tokenizer: Tokenizer) -> _Twin:
        return _Twin(tokenizer)

    def __init__(self, tokenizer: Tokenizer) -> None:
        nonce = secrets.token_hex(16)
        self.original = tokenizer.backend
        self.names = {id: f"{nonce}{id:08x}" for id in tokenizer.controls.values()}
        self.ids = {name: id for id, name in self.names.items()}
        self.never = self.names.keys() - {tokenizer.unk_id}
        secret = {content: self.names[id] for content, id in tokenizer.controls.items()}
        self.backend = tokenizers.Tokenizer.from_str(json.dumps(_renamed(json.loads(self.original.to_str()), secret)))
        self.apart = tuple(secret[token] for token in tokenizer.apart)

    def encode(self, spans: _Spans) -> list[_Token]:
        """The tokens of a text in which somebody's words spell control tokens."""
        written = self._written_by_template(spans)
        pieces, sources, at = [], [], 0
        for token in written:
            start, end = spans._core(token)
            pieces += [spans.text[at:start], self.names[token.id]]
            sources += [(at, None), (start, end)]
            at = end
        pieces.append(spans.text[at:])
        sources.append((at, None))
        starts = list(accumulate((len(piece) for piece in pieces[:-1]), initial=0))
        renamed = "".join(pieces)

        def back(place: int) -> int:
            k = bisect_right(starts, place) - 1
            source, end = sources[k]
            return source + place - starts[k] if end is None else (source if place == starts[k] else end)

        tokens = []
        for id, (start, end) in zip(*read(self.backend, renamed, self.apart), strict=True):
            known = self.ids.get(renamed[start:end].strip())
            tokens.append(_Token(id if known is None else known, back(start), back(end), known is not None))
        plain = (token.id for token in tokens if not token.control)
        if [token.id for token in tokens if token.control] != [token.id for token in written] or self.never & {*plain}:
            raise BadPrompt("A text of this conversation spells a control token of this tokenizer and cannot be told from it.")
        return tokens

    def _written_by_template(self, spans: _Spans) -> list[_Token]:
        """The control tokens that are left when every typed character is blanked out."""
        text = list(spans.text)
        for span in spans.spans:
            if span.literal:
                text[span.start : span.end] = [c if c.isspace() else BLANK for c in text[span.start : span.end]]
        blanked = "".join(text)
        encoding = self.original.encode(blanked, add_special_tokens=False)
        return [token for token in spans.tokens(encoding.ids, encoding.offsets, blanked) if token.control]


def _renamed(rules: dict[str, Any], secret: dict[str, str]) -> dict[str, Any]:
    for token in rules["added_tokens"]:
        token["content"] = secret.get(token["content"], token["content"])
    rules["post_processor"] = None
    model = rules["model"]
    if isinstance(model["vocab"], dict):
        model["vocab"] = {secret.get(piece, piece): id for piece, id in model["vocab"].items()}
    else:
        model["vocab"] = [[secret.get(piece, piece), score] for piece, score in model["vocab"]]
    if model.get("unk_token") is not None:
        model["unk_token"] = secret.get(model["unk_token"], model["unk_token"])
    if "merges" in model:
        pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
        model["merges"] = [pair for pair in pairs if secret.keys().isdisjoint((*pair, "".join(pair)))]
    return rules
