"""How what a request asks for is sent to a service, and whether the service is known to do it.

Nothing in these APIs says whether a field was honoured: a server may pass over one that it does not know. Some are told by
the answers: greedy ones that differ, a seed under which two draws differ, the one likeliest token (`top_k` 1, `min_p` 1, a tiny
`top_p`) that comes out as two, a stop string in the text, more tokens than were allowed. The others are sent, and not verified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from chiasm.assistant import Request
from chiasm.errors import BadPrompt
from chiasm.generate.sampling import Sampling
from chiasm.prompt.messages import question
from chiasm.remote import anthropic_messages, openai_chat
from chiasm.remote.answers import Answers, Kept
from chiasm.remote.departures import UNCOUNTED
from chiasm.remote.names import Endpoint

Way = Literal["plainly", "beyond the API"]
Standing = Literal["honoured", "not honoured", "refused", "unclear", "not verified"]
ALWAYS = ("max_tokens", "stop")
CHECKED = "checked in each answer"
ODD = question("Write one sentence of twelve words about anything at all, as odd as you can.")
COUNT = question("Count from 1 to 9 in digits, with a space between them, and write nothing else.")
LONG, SHORT, END = 32, 3, "4"
"""Tokens of an answer, of one that is cut, and a string that is to end one."""
NARROW: Mapping[str, Sampling] = {
    "temperature": Sampling(temperature=0.0),
    "seed": Sampling(temperature=1.0, seed=11),
    "top_p": Sampling(temperature=1.0, top_p=0.001),
    "top_k": Sampling(temperature=1.0, top_k=1),
    "min_p": Sampling(temperature=1.0, min_p=1.0),
}
"""Ways of drawing that leave nothing to chance, if the service does as the field says."""

Ask = Callable[[Request], Kept]


def ways(endpoint: Endpoint) -> dict[str, Way]:
    """The fields that a service can be sent, by our names for them: in the API's own place, or beside it (`extra_body`)."""
    match endpoint.api:
        case "anthropic":
            plain, added = anthropic_messages.FIELDS, dict[str, str]()
        case "openai" if endpoint.official:
            plain, added = openai_chat.COMMON, dict[str, str]()
        case "openai":
            plain, added = openai_chat.COMMON, openai_chat.ADDED
    found: dict[str, Way] = dict.fromkeys((*ALWAYS, *plain), "plainly")
    return found | dict.fromkeys(added, "beyond the API")


def examined(endpoint: Endpoint, ask: Ask) -> dict[str, Standing]:
    """Whether each field is honoured, by some fourteen small requests, most of them the same thing asked twice."""
    known = ways(endpoint)
    loose = _twice(ask, Sampling(temperature=1.0))
    found: dict[str, Standing] = dict.fromkeys(known, "not verified")
    found |= {name: _drawn(loose, _twice(ask, narrow)) for name, narrow in NARROW.items() if name in known}
    return found | dict(_ended(ask))


def _twice(ask: Ask, sampling: Sampling) -> tuple[str, str] | None:
    """Two answers to the same; none where it is refused."""
    request = Request((ODD,), LONG, sampling)
    try:
        return ask(request).text, ask(request).text
    except BadPrompt:
        return None


def _drawn(loose: tuple[str, str] | None, narrow: tuple[str, str] | None) -> Standing:
    if narrow is None:
        return "refused"
    if narrow[0] != narrow[1]:
        return "not honoured"
    # Where free draws are alike too, that these are says nothing.
    return "unclear" if loose is None or loose[0] == loose[1] else "honoured"


def _ended(ask: Ask) -> Iterator[tuple[str, Standing]]:
    greedy = Sampling(temperature=0.0)
    try:
        cut = ask(Request((COUNT,), SHORT, greedy)).generated_tokens
        yield "max_tokens", "unclear" if cut == 0 else "honoured" if cut <= SHORT + UNCOUNTED else "not honoured"
    except BadPrompt:
        yield "max_tokens", "refused"
    try:
        said = ask(Request((COUNT,), LONG, greedy, (END,))).text
        yield "stop", "not honoured" if END in said else "honoured" if "3" in said else "unclear"
    except BadPrompt:
        yield "stop", "refused"


@dataclass(frozen=True)
class Fields:
    """What one service can be sent, and what is known of how it takes it."""

    endpoint: Endpoint
    answers: Answers

    @property
    def standing(self) -> dict[str, Standing]:
        """Whether each field is honoured, as far as it was examined."""
        known = self.answers.read(self._kept)
        return {name: known.get(name, "not verified") for name in ways(self.endpoint)}

    def keep(self, found: Mapping[str, Standing]) -> None:
        self.answers.write(self._kept, found)

    def told(self) -> dict[str, str]:
        """Each field in words: how it is sent, and whether it is known to be honoured."""
        known = self.standing
        return {name: _told(name, way, known[name]) for name, way in ways(self.endpoint).items()}

    def sent(self, sampling: Sampling, stop: Sequence[str] = ()) -> dict[str, str]:
        """The same of the fields that a request holds."""
        default = asdict(Sampling())
        asked = {name for name, value in asdict(sampling).items() if value != default[name]} | {"temperature", "max_tokens"}
        return {name: said for name, said in self.told().items() if name in asked or (name == "stop" and stop)}

    @property
    def _kept(self) -> str:
        return self.endpoint.digest("standing")


def _told(name: str, way: Way, standing: Standing) -> str:
    return f"sent {way}, {CHECKED if name in ALWAYS and standing == 'not verified' else standing}"
