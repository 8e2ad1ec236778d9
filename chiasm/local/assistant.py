"""The verbs of a model on this machine, each by what its modules are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from chiasm.assistant import (
    Assistant,
    Event,
    Extent,
    Outline,
    Request,
    Score,
    Sighting,
    Verb,
)
from chiasm.errors import BadPrompt, Unsupported
from chiasm.generate import engine
from chiasm.generate.contrast import distorted
from chiasm.generate.sampling import Sampling
from chiasm.generate.score import score
from chiasm.geometry import Size
from chiasm.ground.dialects import boxes_of
from chiasm.ground.phrases import located
from chiasm.local.door import Door
from chiasm.local.vectors import Vectors
from chiasm.local.verbs import verbs_of
from chiasm.local.writing import Clock, Voice, spoken
from chiasm.model import AnyModel, Causal, Find, QueryMatch, Segment, Seq2Seq, Writer
from chiasm.outline import pointed
from chiasm.outline import spoken as outlined
from chiasm.pixels.content import Policy
from chiasm.pixels.open import Limits, Picture
from chiasm.place import Box, Point
from chiasm.prompt.detokenize import Detokenizer
from chiasm.prompt.items import Item
from chiasm.prompt.messages import Message, Text, pictures_of
from chiasm.prompt.plan import Plan
from chiasm.prompt.planner import Planner
from chiasm.prompt.stops import Stops
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.spec import Pointing
from chiasm.weights.device import within_memory


class LocalAssistant(Assistant):
    """Modules with the tokenizer and template of their folder. For one thread at a time.

    `generation` are the fields of generation_config.json, `seconds` what loading took; `limits` bound what is opened. `budget`
    says how much of what its family would give it a picture is given.
    """

    def __init__(
        self,
        name: str,
        model: AnyModel,
        planner: Planner | None,
        generation: Mapping[str, Any] | None = None,
        seconds: float = 0.0,
        limits: Limits | None = None,
        tokenizer: Tokenizer | None = None,
        budget: Policy | None = None,
    ) -> None:
        self.name, self.model, self.planner, self.budget = name, model, planner, budget
        self.tokenizer = planner.tokenizer if planner is not None else tokenizer
        self.sampling = Sampling.from_generation_config(generation or {})
        self.limits = limits or Limits()
        self._seconds = seconds
        self._cancelled: set[int] = set()

    @property
    def capabilities(self) -> frozenset[Verb]:
        return verbs_of(self.model)

    @property
    def sees_clips(self) -> bool:
        sight = self.door.sight
        return sight is not None and sight.clips is not None

    @property
    def door(self) -> Door:
        """The way in for pictures and clips."""
        return Door(self.name, None if self.planner is None else self.planner.spec.sight, self.limits, self.budget)

    def plan(self, requests: Sequence[Request], *, sizes: Sequence[tuple[int, int]] | None = None) -> Plan:
        planner, names = self._planner("plan"), list[str]()
        if sizes is None:
            door = self.door
            heads = [door.headed(one) for one in _pictures(requests)]
            return self._fitting(planner, requests, door.items(heads), [head.name for head in heads])
        return self._fitting(planner, requests, [Size(*size) for size in sizes], names)

    def generate(self, requests: Sequence[Request]) -> Iterator[Event]:
        """Requests of one call are computed together and share the first one's way of sampling."""
        with within_memory():
            yield from self._generate(requests)

    def _generate(self, requests: Sequence[Request]) -> Iterator[Event]:
        planner, model, clock = self._planner("generate"), self._writer("generate"), Clock(load=self._seconds)
        door, sources = self.door, _pictures(requests)
        opened = door.opened_once(sources)
        plan = self._fitting(planner, requests, door.items(opened), [picture.name for picture in opened])
        batch, other = door.batch(plan, opened, sources).to(self.device), None
        sampling = self._sampling(planner, requests)
        clock.ends("open")
        with torch.inference_mode():
            if (how := sampling.contrast) is not None and opened:
                other = engine.seen(model, batch, lambda patches_PK: distorted(patches_PK, how))
            batch = engine.seen(model, batch)
        if opened:
            clock.ends("see")
        ending = self._cancelled = set[int]()
        limits = [request.max_tokens or sampling.max_new_tokens for request in requests]
        running = engine.generate(model, batch, sampling, limits=limits, cancelled=ending, distorted=other)
        voices = [Voice(Detokenizer(planner.tokenizer), Stops((*request.stop, *planner.stops))) for request in requests]
        ends = list(accumulate(len(pictures_of(request.messages)) for request in requests))

        def boxes(row: int, ids: Sequence[int]) -> tuple[Box, ...]:
            return self._boxes(ids, plan.items[ends[row - 1] if row else 0 : ends[row]])

        yield from spoken(running, voices, plan, boxes, self.name, clock, ending)

    def _boxes(self, ids: Sequence[int], items: Sequence[Item]) -> tuple[Box, ...]:
        """The boxes that an answer speaks of; none where it could mean several pictures."""
        model, tokenizer = self.model, self.tokenizer
        if not isinstance(model, Causal) or model.spec.boxes is None or tokenizer is None:
            return ()
        match tuple(items):
            case (Size(width, height),):
                return boxes_of(tokenizer.decode(ids, skip_special=False), model.spec.boxes, width, height)
            case _:
                return ()

    def cancel(self, request: int) -> None:
        self._cancelled.add(request)

    def numbered(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        return self._planner("generate").numbered(messages)

    def score(self, request: Request, options: Sequence[str], extent: Extent = "complete") -> list[Score]:
        (found,) = self.score_each([request], [options], extent)
        return found

    @within_memory()
    def score_each(
        self, requests: Sequence[Request], options: Sequence[Sequence[str]], extent: Extent = "complete"
    ) -> list[list[Score]]:
        """An answer is complete where whatever ends generation comes next, by the first request's way of sampling. Raises
        `Unsupported` for complete answers of a model whose generation nothing ends, and for beginnings before one that judges
        whole texts."""
        if isinstance(self.model, QueryMatch):
            if extent == "beginning":
                raise Unsupported("score the beginning of a text", self.name)
            return [self._vectors.judged(self.model, *asked) for asked in zip(requests, options, strict=True)]
        planner, model = self._planner("score"), self._writer("score")
        door, sources = self.door, _pictures(requests)
        opened, talks = door.opened_once(sources), [request.messages for request in requests]
        plan = planner.plan(talks, door.items(opened), names=[picture.name for picture in opened])
        batch = door.batch(plan, opened, sources).to(self.device)
        ends = self._sampling(planner, requests).stop_ids if extent == "complete" else ()
        if extent == "complete" and not ends:
            what = "score complete answers: no token ends them, in its tokenizer or generation_config.json"
            raise Unsupported(what, self.name)
        candidates = [[planner.tokenizer.encode(option) for option in given] for given in options]
        found = score(model, batch, candidates, ends=ends)
        return [
            [Score(option, one.total, len(one.logprobs)) for option, one in zip(given, row, strict=True)]
            for given, row in zip(options, found, strict=True)
        ]

    @within_memory()
    @torch.inference_mode()
    def embed(self, items: Sequence[object]) -> Tensor | list[Tensor]:
        found = self._vectors.of(self.model, items)
        return found.cpu() if isinstance(found, Tensor) else [one.cpu() for one in found]

    @within_memory()
    @torch.inference_mode()
    def segment(self, picture: object, *by: str | Point | Box) -> tuple[Outline, ...]:
        match self.model:
            case Segment() as model:
                return pointed(model, self.door.picture(picture), by, self.device)
            case Causal() as model if isinstance(model.spec.head, Pointing):
                return self._named(model, self.door.picture(picture), by)
            case _:
                raise Unsupported("segment", self.name)

    @property
    def _vectors(self) -> Vectors:
        return Vectors(self.door, self.planner, self.tokenizer, self.device)

    def _named(self, model: Causal, picture: Picture, by: Sequence[str | Point | Box]) -> tuple[Outline, ...]:
        """What an answer to one question names."""
        match tuple(by):
            case (str() as words,):
                planner, request = self._planner("segment"), Request((Message("user", (Text(words),)),))
                return outlined(model, planner, picture, words, self._sampling(planner, [request]))
            case _:
                raise BadPrompt(f"{len(by)} hints: this model outlines what one question in words asks for")

    @within_memory()
    @torch.inference_mode()
    def locate(
        self, picture: object, phrases: str | Sequence[str], *, likely: float = 0.3, named: float = 0.25
    ) -> tuple[Sighting, ...]:
        model, tokenizer = self.model, self.tokenizer
        if not isinstance(model, Find) or tokenizer is None:
            raise Unsupported("locate", self.name)
        return located(model, self.door.picture(picture), phrases, tokenizer, self.device, likely, named)

    @property
    def device(self) -> torch.device:
        """Where the numbers are; every model keeps its embedding as a plain parameter."""
        return next(self.model.parameters()).device

    def _planner(self, verb: str) -> Planner:
        if self.planner is None:
            raise Unsupported(verb, self.name)
        return self.planner

    def _writer(self, verb: str) -> Writer:
        if not isinstance(self.model, Causal | Seq2Seq) or (isinstance(self.model, Causal) and not self.model.spec.writes):
            raise Unsupported(verb, self.name)
        return self.model

    def _fitting(self, planner: Planner, requests: Sequence[Request], items: Sequence[Item], names: Sequence[str]) -> Plan:
        """A plan whose answers fit the context too."""
        if not requests:
            raise BadPrompt("there is no request: give at least one conversation")
        plan = planner.plan([request.messages for request in requests], items, names=names)
        plan.fits(max(request.max_tokens or 1 for request in requests))
        return plan

    def _sampling(self, planner: Planner, requests: Sequence[Request]) -> Sampling:
        """The first request's way of sampling or the folder's own, ended by the tokenizer's end of sequence as well."""
        chosen = requests[0].sampling or self.sampling
        end = planner.tokenizer.eos_id
        stop_ids = chosen.stop_ids if end is None or end in chosen.stop_ids else (*chosen.stop_ids, end)
        return replace(chosen, stop_ids=stop_ids)


def _pictures(requests: Sequence[Request]) -> list[Any]:
    return [picture for request in requests for picture in pictures_of(request.messages)]
