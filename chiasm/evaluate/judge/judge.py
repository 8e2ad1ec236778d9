"""Any assistant as a judge: greedy, in batches, every verdict kept, so that a rerun costs nothing."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from chiasm.assistant import Answer, Assistant, Done, FinishReason, Request
from chiasm.errors import UserError
from chiasm.generate.sampling import Sampling
from chiasm.prompt.messages import question
from chiasm.remote.answers import Answers, Kept
from chiasm.remote.assistant import RemoteAssistant
from chiasm.remote.bill import Bill
from chiasm.weights.files import sha256

LONGEST = 512
"""Tokens of a verdict, with what a judge may think before it."""
BATCH = 16
EDITION = 1
"""Raised when a judge is asked in another way than before."""


@dataclass(frozen=True)
class Asked:
    """What a judge is asked: words, after the pictures that it is shown."""

    words: str
    pictures: tuple[Path | bytes, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What a judge said, as it said it."""

    text: str
    finish_reason: FinishReason


@dataclass(frozen=True)
class Refused:
    """A judge that would not answer, and why."""

    why: str


Said = Verdict | Refused


@dataclass(frozen=True)
class Sighted:
    """It takes pictures; `said` is its word for the colour of a red one, `told` whether that is red."""

    said: str

    @property
    def told(self) -> bool:
        return "red" in self.said.lower()


@dataclass(frozen=True)
class Blind:
    """It takes none, and why."""

    why: str


Sight = Sighted | Blind
COLOUR = "Which colour is this picture? Answer in one word."


class Judge:
    """`facts` tell this judge from every other: its weights, or the service that it is behind. A service's assistant keeps its
    answers itself; those of others are kept here, behind the same door."""

    def __init__(self, assistant: Assistant, facts: Mapping[str, Any], answers: Answers | None = None) -> None:
        self.assistant, self.facts = assistant, facts
        self._answers, self._bill = answers or Answers(), Bill()

    @property
    def name(self) -> str:
        return self.assistant.name

    @property
    def bill(self) -> Bill:
        return self.assistant.bill if isinstance(self.assistant, RemoteAssistant) else self._bill

    @cached_property
    def sight(self) -> Sight:
        """Whether it takes pictures, which only asking shows: one small question."""
        ((_, said),) = self.hear([Asked(COLOUR, (_red(),))])
        match said:
            case Verdict(text=text):
                return Sighted(" ".join(text.split()))
            case Refused(why=why):
                return Blind(why)

    def hear(self, prompts: Sequence[Asked]) -> Iterator[tuple[Asked, Said]]:
        """What is said to each different prompt. What a service refuses fails alone; where the service itself fails, all that
        was said is kept."""
        waiting = []
        for prompt in dict.fromkeys(prompts):
            kept = None if isinstance(self.assistant, RemoteAssistant) else self._answers.get(self._digest(prompt))
            if kept is None:
                waiting.append(prompt)
            else:
                self._bill += Bill(kept=1)
                yield prompt, Verdict(kept.text, kept.finish_reason)
        for start in range(0, len(waiting), BATCH):
            yield from self._asked(waiting[start : start + BATCH])

    def _asked(self, prompts: Sequence[Asked]) -> Iterator[tuple[Asked, Said]]:
        greedy = Sampling(temperature=0.0)
        requests = [Request((question(prompt.words, prompt.pictures),), LONGEST, greedy) for prompt in prompts]
        waiting = list(prompts)
        try:
            for event in self.assistant.generate(requests):
                if isinstance(event, Done):
                    prompt = prompts[event.request]
                    waiting.remove(prompt)
                    self._keep(prompt, event.answer)
                    yield prompt, Verdict(event.answer.text, event.answer.finish_reason)
        except UserError as e:
            if len(prompts) == 1:
                yield prompts[0], Refused(" ".join(str(e).split()))
                return
            for prompt in waiting:
                yield from self._asked([prompt])

    def _keep(self, prompt: Asked, answer: Answer) -> None:
        if isinstance(self.assistant, RemoteAssistant):
            return
        read, written = answer.usage.image_tokens + answer.usage.text_tokens, answer.usage.generated_tokens
        self._answers.put(self._digest(prompt), Kept(answer.text, answer.finish_reason, read, written))
        self._bill += Bill(1, 0, read, written)

    def _digest(self, prompt: Asked) -> str:
        shown = [_hash(picture) for picture in prompt.pictures]
        told = json.dumps(["judge", EDITION, self.facts, prompt.words, LONGEST, *([shown] if shown else [])], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()


def _hash(picture: Path | bytes) -> str | None:
    """SHA-256 of a picture's file; none for one that is not there, which asking will tell."""
    match picture:
        case bytes():
            return hashlib.sha256(picture).hexdigest()
        case Path():
            return sha256(picture) if picture.is_file() else None


@lru_cache(1)
def _red() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (224, 224), (220, 20, 20)).save(file, "PNG")
    return file.getvalue()
