"""Answers as they are written: events of several requests at once, what each has said so far, and the time it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from chiasm.assistant import Answer, Delta, Done, Event, FinishReason, Usage
from chiasm.generate.engine import End, Token
from chiasm.place import Box
from chiasm.prompt.detokenize import Detokenizer
from chiasm.prompt.plan import Plan
from chiasm.prompt.stops import Stops


class Clock:
    """Wall time by phase."""

    def __init__(self, **seconds: float) -> None:
        self.seconds = dict(seconds)
        self._since = time.perf_counter()

    def ends(self, phase: str) -> None:
        """What passed since the last end belongs to this phase."""
        now = time.perf_counter()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._since
        self._since = now


@dataclass
class Voice:
    """What one request has said so far."""

    detokenizer: Detokenizer
    stops: Stops
    ids: list[int] = field(default_factory=list)
    text: str = ""

    def says(self, new: str) -> str:
        """The part of new text that may be shown now."""
        shown = self.stops.feed(new)
        self.text += shown
        return shown

    def ends(self) -> str:
        """What was still held back."""
        shown = self.stops.feed(self.detokenizer.close()) + self.stops.close()
        self.text += shown
        return shown


def spoken(
    running: Iterator[Token | End],
    voices: Sequence[Voice],
    plan: Plan,
    boxes: Callable[[int, Sequence[int]], tuple[Box, ...]],
    name: str,
    clock: Clock,
    cancelled: set[int],
) -> Iterator[Event]:
    """The events of what the engine runs: text as far as it may be shown, at the end of a row its whole answer with the boxes
    that its ids speak of. A row whose stop string has come is added to those that are cancelled."""
    for event in running:
        clock.ends("decode" if "prefill" in clock.seconds else "prefill")
        voice = voices[event.row]
        match event:
            case Token(row, token):
                voice.ids.append(token)
                if shown := voice.says(voice.detokenizer.feed([token])):
                    yield Delta(row, shown)
                if voice.stops.hit:
                    cancelled.add(row)
            case End(row, reason):
                if rest := voice.ends():
                    yield Delta(row, rest)
                usage = Usage(*plan.spent(row), len(voice.ids))
                finish: FinishReason = "stop" if voice.stops.hit else reason
                yield Done(row, Answer(voice.text, usage, finish, name, dict(clock.seconds), boxes(row, voice.ids)))
