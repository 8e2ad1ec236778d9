"""The surface that every model shows, here or far away: one protocol, and the sugar that is the same for all.

Rooms that put a model to work (evaluation, documents, serving, ...) see this file alone, so that a remote model serves them
as well as a local one. A model that cannot do a verb raises `Unsupported(verb, model)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from chiasm.errors import BadPrompt, Unsupported
from chiasm.prompt.messages import Message, numbered, question, read_messages
from chiasm.spec import PLAIN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chiasm.generate.sampling import Sampling
    from chiasm.place import Box, Point
    from chiasm.prompt.plan import Plan

Verb = Literal["plan", "generate", "score", "embed", "locate", "segment"]
FinishReason = Literal["stop", "length", "repetition", "cancelled"]
Extent = Literal["complete", "beginning"]
"""What an option that is scored stands for. "complete": this answer and nothing after it, so that the end of its turn counts
too and options of different length are different answers. "beginning": every answer that begins so, by its own tokens alone;
"1" is then never less likely than "12", which begins with it."""


@dataclass(frozen=True)
class Usage:
    """What an answer cost, in tokens."""

    image_tokens: int
    text_tokens: int
    generated_tokens: int


@dataclass(frozen=True)
class Answer:
    """What a model said, and how it came to an end. `seconds` is wall time by phase: load, open, see, prefill, decode; `boxes`
    are those that it spoke of in a dialect of its own, in upright pixels of the one picture that it was shown; `served` is what
    a service said of itself: the model that answered, its build; and what it was sent and "passed over", where that shows."""

    text: str
    usage: Usage
    finish_reason: FinishReason
    model: str
    seconds: Mapping[str, float] = field(default_factory=dict)
    boxes: tuple[Box, ...] = ()
    served: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Request:
    """A conversation to go on with. `max_tokens` of an answer must have room in the context; none: as many as the model's own
    folder says (256 if it does not), and no more than there is room for. `stop` are strings that end the answer and are no
    part of it. Raises `BadPrompt` for an answer of no token, and for what is no string."""

    messages: tuple[Message, ...]
    max_tokens: int | None = None
    sampling: Sampling | None = None
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.max_tokens is not None and (not isinstance(self.max_tokens, int) or self.max_tokens < 1):
            raise BadPrompt(f"max_tokens = {self.max_tokens!r}: it must be a whole number of at least 1")
        if not all(isinstance(one, str) for one in self.stop):
            raise BadPrompt(f"stop = {self.stop!r}: it must be strings, such as ('\\n',)")


@dataclass(frozen=True)
class Delta:
    """A piece of text of request number `request`."""

    request: int
    text: str


@dataclass(frozen=True)
class Done:
    """The end of request number `request`."""

    request: int
    answer: Answer


Event = Delta | Done


@dataclass(frozen=True)
class Score:
    """Log-probability of one given answer: of all its tokens together, and how many they are, the end of its turn among them
    where it was scored as complete."""

    option: str
    logprob: float
    tokens: int


@dataclass(frozen=True)
class Outline:
    """A region of a picture: `mask_HW` is true where it is, in upright source pixels, `box` what it lies in (of no size for a
    region of no pixel), `score` how well the model thinks that it fits; none: the model does not say."""

    mask_HW: NDArray[np.bool_]
    box: Box
    score: float | None = None


@dataclass(frozen=True)
class Sighting:
    """Something that was found: its box in upright source pixels, the phrase that names it, as the model read it, and how
    likely that is."""

    phrase: str
    box: Box
    likelihood: float


class Stream(Iterator[str]):
    """Pieces of one answer as they come. Raises `BadPrompt` where the whole is asked for before the end."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._answer: Answer | None = None

    def __next__(self) -> str:
        for event in self._events:
            match event:
                case Delta(text=piece):
                    return piece
                case Done(answer=answer):
                    self._answer = answer
        raise StopIteration

    @property
    def answer(self) -> Answer:
        if self._answer is None:
            raise BadPrompt("the answer is not at its end yet: read the stream first")
        return self._answer


class Assistant:
    """A model that can be asked. Subclasses override the verbs that they can do; the others raise `Unsupported`."""

    name: str

    @property
    def capabilities(self) -> frozenset[Verb]:
        """The verbs that this model can do."""
        raise NotImplementedError

    @property
    def sees_clips(self) -> bool:
        """Whether what is shown may move."""
        return False

    def plan(self, requests: Sequence[Request], *, sizes: Sequence[tuple[int, int]] | None = None) -> Plan:
        """What requests cost, before anything is computed: from the headers of their pictures, or from given upright sizes
        (width, height) in their place."""
        raise Unsupported("plan", self.name)

    def generate(self, requests: Sequence[Request]) -> Iterator[Event]:
        """Answers, piece by piece; every request ends with a `Done`."""
        raise Unsupported("generate", self.name)

    def score(self, request: Request, options: Sequence[str], extent: Extent = "complete") -> list[Score]:
        """How likely each given answer is, as a complete answer or as the beginning of one."""
        raise Unsupported("score", self.name)

    def score_each(
        self, requests: Sequence[Request], options: Sequence[Sequence[str]], extent: Extent = "complete"
    ) -> list[list[Score]]:
        """Several requests with options of their own; a model of this machine computes them together."""
        return [self.score(request, given, extent) for request, given in zip(requests, options, strict=True)]

    def embed(self, items: Sequence[object]) -> Any:
        """One unit vector for each text (`str`) or picture (anything else that opens as one): [items, width]. A model of many
        vectors gives a list: [tokens, width] for each item. `Sound`, `Depth`, `Thermal` and `Motion` are for models of such."""
        raise Unsupported("embed", self.name)

    def locate(
        self, picture: object, phrases: str | Sequence[str], *, likely: float = 0.3, named: float = 0.25
    ) -> tuple[Sighting, ...]:
        """Where in a picture phrases are, the likeliest sightings first: those of more than `likely`, each named by the tokens
        of more than `named`. Phrases are a list, or a text with full stops between them."""
        raise Unsupported("locate", self.name)

    def segment(self, picture: object, *by: str | Point | Box) -> tuple[Outline, ...]:
        """Which pixels of a picture are meant by words, or by points and a box in source pixels; the likeliest first."""
        raise Unsupported("segment", self.name)

    def cancel(self, request: int) -> None:
        """Ends a request that is being generated; its answer's finish reason is "cancelled"."""
        raise Unsupported("cancel", self.name)

    # --- sugar, the same for every assistant ----------------------------------------------------------------------------

    def ask(
        self,
        text: str,
        *pictures: object,
        max_tokens: int | None = None,
        sampling: Sampling | None = None,
        stop: str | Sequence[str] = (),
        number: bool = False,
    ) -> Answer:
        """One question about any number of pictures (paths, bytes, PIL pictures, arrays), answered. With `number` each picture
        has its own beside it in the text ("Image 1:"), in the form that the model knows."""
        asked = (question(text, pictures),)
        return self._last([Request(self.numbered(asked) if number else asked, max_tokens, sampling, _strings(stop))])

    def stream(
        self,
        text: str,
        *pictures: object,
        max_tokens: int | None = None,
        sampling: Sampling | None = None,
        stop: str | Sequence[str] = (),
        number: bool = False,
    ) -> Stream:
        """As `ask`, the text as it comes; the whole answer is in `.answer` at the end."""
        asked = (question(text, pictures),)
        return Stream(self.generate([Request(self.numbered(asked) if number else asked, max_tokens, sampling, _strings(stop))]))

    def chat(
        self,
        messages: Sequence[Message | Mapping[str, object]],
        *,
        max_tokens: int | None = None,
        sampling: Sampling | None = None,
        stop: str | Sequence[str] = (),
        number: bool = False,
    ) -> Answer:
        """Goes on with a conversation in OpenAI's or transformers' spelling; `number` as in `ask`."""
        read = read_messages(messages)
        return self._last([Request(self.numbered(read) if number else read, max_tokens, sampling, _strings(stop))])

    def numbered(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """A conversation with a number beside each of its pictures."""
        return numbered(messages, PLAIN)

    def _last(self, requests: Sequence[Request]) -> Answer:
        for event in self.generate(requests):
            if isinstance(event, Done):
                return event.answer
        raise BadPrompt("the model gave no answer")


def _strings(stop: str | Sequence[str]) -> tuple[str, ...]:
    """One string is one, not its letters."""
    return (stop,) if isinstance(stop, str) else tuple(stop)
