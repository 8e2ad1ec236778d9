"""A model on this machine, as an assistant."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from chiasm.assistant import Answer, Assistant, Delta, Done, Event, FinishReason, Request, Score, Usage, Verb
from chiasm.errors import BadPrompt, Unsupported
from chiasm.generate.engine import End, Token, generate
from chiasm.generate.sampling import Sampling
from chiasm.geometry import Size
from chiasm.model import AnyModel, Batch, Causal, Match
from chiasm.model import Sight as Seen
from chiasm.pixels.open import Limits, Picture, header, open_picture
from chiasm.pixels.views import look, packed
from chiasm.prompt.detokenize import Detokenizer
from chiasm.prompt.messages import Message, Text
from chiasm.prompt.plan import Plan
from chiasm.prompt.planner import Planner
from chiasm.prompt.stops import Stops
from chiasm.spec import Sight


class Clock:
    """Wall time by phase."""

    def __init__(self, **seconds: float) -> None:
        self.seconds = dict(seconds)

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - started


@dataclass
class Voice:
    """What one request has said so far."""

    detokenizer: Detokenizer
    stops: Stops
    ids: list[int] = field(default_factory=list)
    text: str = ""

    def hear(self, new: str) -> str:
        shown = self.stops.feed(new)
        self.text += shown
        return shown


class LocalAssistant(Assistant):
    """Modules, tokenizer and template of one folder. Not safe for several threads at once."""

    def __init__(
        self, name: str, model: AnyModel, planner: Planner | None, generation: Mapping[str, Any], seconds: float
    ) -> None:
        self.name, self.model, self.planner = name, model, planner
        self.generation = generation
        self.limits = Limits()
        self._seconds = seconds
        self._cancelled: set[int] = set()

    @property
    def spec(self) -> Any:
        """What the model is."""
        return self.model.spec

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def capabilities(self) -> frozenset[Verb]:
        return frozenset({"embed"} if isinstance(self.model, Match) else {"plan", "generate", "score"})

    def plan(self, requests: Sequence[Request], *, sizes: Sequence[tuple[int, int]] | None = None) -> Plan:
        planner, pictures = self._planner("plan"), _pictures(requests)
        if sizes is None:
            heads = [header(picture, self.limits) for picture in pictures]
            names = [head.name for head in heads]
            items = [Size(head.width, head.height) for head in heads]
        else:
            names, items = [], [Size(*size) for size in sizes]
        plan = planner.plan([request.messages for request in requests], items, names=names)
        plan.fits(max(request.max_tokens for request in requests))
        return plan

    @torch.inference_mode()
    def generate(self, requests: Sequence[Request]) -> Iterator[Event]:
        """Requests of one call are computed together and share the first one's way of sampling."""
        planner, model, clock = self._planner("generate"), self._causal("generate"), Clock(load=self._seconds)
        self._cancelled.clear()
        with clock("open"):
            pictures = [open_picture(picture, self.limits) for picture in _pictures(requests)]
            items = [Size(picture.width, picture.height) for picture in pictures]
            plan = planner.plan([r.messages for r in requests], items, names=[p.name for p in pictures])
            plan.fits(max(request.max_tokens for request in requests))
            batch = plan.batch(self._patches(pictures)).to(self.device)
        with clock("see"):
            visual = None if batch.sight is None else model.see(batch.sight)
        sampling = self._sampling(requests)
        tokens = planner.tokenizer
        voices = [Voice(Detokenizer(tokens), Stops(request.stop)) for request in requests]
        usage = _usages(plan)
        started, phase = time.perf_counter(), "prefill"
        for event in generate(model, batch, sampling, visual=visual, cancelled=self._cancelled):
            if phase == "prefill":
                clock.seconds["prefill"] = time.perf_counter() - started
                started, phase = time.perf_counter(), "decode"
            voice = voices[event.row]
            match event:
                case Token(row, token):
                    voice.ids.append(token)
                    text = "" if token in sampling.stop_ids else voice.detokenizer.feed([token])
                    if shown := voice.hear(text):
                        yield Delta(row, shown)
                    if voice.stops.hit or len(voice.ids) >= requests[row].max_tokens:
                        self._cancelled.add(row)
                case End(row, reason):
                    rest = voice.hear(voice.detokenizer.close()) + voice.stops.close()
                    voice.text += rest[len(rest) - len(voice.stops.close()) :] if False else ""
                    if rest:
                        yield Delta(row, rest)
                    clock.seconds["decode"] = time.perf_counter() - started
                    answer = Answer(
                        voice.text, replace(usage[row], generated_tokens=len(voice.ids)),
                        _reason(reason, voice, requests[row]), self.name, dict(clock.seconds),
                    )  # fmt: skip
                    yield Done(row, answer)
