"""A model on this machine, as an assistant."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, cast

import torch
from torch import Tensor

from chiasm.assistant import (
    Answer,
    Assistant,
    Delta,
    Done,
    Event,
    Extent,
    FinishReason,
    Outline,
    Request,
    Score,
    Sighting,
    Usage,
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
from chiasm.heads.contrastive import unit
from chiasm.model import (
    AnyModel,
    Batch,
    Bind,
    Causal,
    Connect,
    Encode,
    EncodePage,
    EncodeText,
    EncodeVolume,
    Find,
    MaskDecoder,
    Match,
    QueryMatch,
    See,
    Segment,
    Seq2Seq,
    Writer,
)
from chiasm.model import Sight as Seen
from chiasm.outline import pointed, spoken
from chiasm.pixels.clips import Clip, open_clip, shown
from chiasm.pixels.content import Policy
from chiasm.pixels.items import Felt, given, signal_of
from chiasm.pixels.open import Header, Limits, Picture, Source, header, open_picture
from chiasm.pixels.reel import Film, Shown
from chiasm.pixels.sources import identity
from chiasm.pixels.views import look, look_clip, packed
from chiasm.pixels.volume import VolumeSource, open_volume, seen
from chiasm.place import Box, Point
from chiasm.prompt.alike import beginnings
from chiasm.prompt.detokenize import Detokenizer
from chiasm.prompt.items import Item, filmed
from chiasm.prompt.messages import Image, Message, Text, pictures_of
from chiasm.prompt.plan import Plan
from chiasm.prompt.planner import Planner
from chiasm.prompt.stops import Stops
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.spec import Frames, Looks, MultiVector, Pointing, Sight, TextTower


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
        match self.model:
            case Causal() if isinstance(self.model.spec.head, MultiVector):
                return frozenset({"plan", "embed"})
            case Causal() if isinstance(self.model.spec.head, Pointing):
                return frozenset({"plan", "generate", "score", "segment"})
            case Causal() | Seq2Seq():
                return frozenset({"plan", "generate", "score"})
            case QueryMatch():
                return frozenset({"embed", "score"})
            case Match() | Encode() | EncodeVolume() | Bind():
                return frozenset({"embed"})
            case Segment():
                return frozenset({"segment"})
            case Find():
                return frozenset({"locate"})
            case EncodeText() | EncodePage() | Connect() | See() | MaskDecoder():
                return frozenset()

    @property
    def sees_clips(self) -> bool:
        sight = None if self.planner is None else self.planner.spec.sight
        return sight is not None and sight.clips is not None

    def plan(self, requests: Sequence[Request], *, sizes: Sequence[tuple[int, int]] | None = None) -> Plan:
        planner, names = self._planner("plan"), list[str]()
        if sizes is None:
            pictures = _pictures(requests)
            heads = [self._headed(one) for one in pictures]
            return self._fitting(planner, requests, self._items(planner, heads), [head.name for head in heads])
        return self._fitting(planner, requests, [Size(*size) for size in sizes], names)

    def generate(self, requests: Sequence[Request]) -> Iterator[Event]:
        """Requests of one call are computed together and share the first one's way of sampling."""
        planner, model, clock = self._planner("generate"), self._writer("generate"), Clock(load=self._seconds)
        sources, sampling = _pictures(requests), self._sampling(planner, requests)
        opened = self._opened_once(sources)
        counts = [len(pictures_of(request.messages)) for request in requests]
        shows = [range(end - count, end) for count, end in zip(counts, accumulate(counts), strict=True)]
        plan = self._fitting(planner, requests, self._items(planner, opened), [picture.name for picture in opened])
        batch, other = self._batch(plan, opened, sources), None
        clock.ends("open")
        with torch.inference_mode():
            if (how := sampling.contrast) is not None and opened:
                other = engine.seen(model, batch, lambda patches_PK: distorted(patches_PK, how))
            batch = engine.seen(model, batch)
        if opened:
            clock.ends("see")
        self._cancelled = set()
        limits = [request.max_tokens for request in requests]
        ending = self._cancelled
        running = engine.generate(model, batch, sampling, limits=limits, cancelled=ending, distorted=other)
        voices = [Voice(Detokenizer(planner.tokenizer), Stops((*request.stop, *planner.stops))) for request in requests]
        for event in running:
            clock.ends("decode" if "prefill" in clock.seconds else "prefill")
            voice = voices[event.row]
            match event:
                case engine.Token(row, token):
                    voice.ids.append(token)
                    if shown := voice.says(voice.detokenizer.feed([token])):
                        yield Delta(row, shown)
                    if voice.stops.hit:
                        self._cancelled.add(row)
                case engine.End(row, reason):
                    if rest := voice.ends():
                        yield Delta(row, rest)
                    usage = Usage(*plan.spent(row), len(voice.ids))
                    finish: FinishReason = "stop" if voice.stops.hit else reason
                    boxes = self._boxes(voice.ids, [plan.items[number] for number in shows[row]])
                    yield Done(row, Answer(voice.text, usage, finish, self.name, dict(clock.seconds), boxes))

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

    def score_each(
        self, requests: Sequence[Request], options: Sequence[Sequence[str]], extent: Extent = "complete"
    ) -> list[list[Score]]:
        """An answer is complete where whatever ends generation comes next, by the first request's way of sampling. Raises
        `Unsupported` for complete answers of a model whose generation nothing ends, and for beginnings before one that judges
        whole texts."""
        if isinstance(self.model, QueryMatch):
            if extent == "beginning":
                raise Unsupported("score the beginning of a text", self.name)
            return [self._judged(self.model, request, given) for request, given in zip(requests, options, strict=True)]
        planner, model = self._planner("score"), self._writer("score")
        sources = _pictures(requests)
        opened, talks = self._opened_once(sources), [request.messages for request in requests]
        plan = planner.plan(talks, self._items(planner, opened), names=[picture.name for picture in opened])
        batch = self._batch(plan, opened, sources)
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

    @torch.inference_mode()
    def embed(self, items: Sequence[object]) -> Tensor | list[Tensor]:
        felt = next((item for item in items if isinstance(item, Felt)), None)
        if felt is not None and not isinstance(self.model, Bind):
            raise Unsupported(f"embed {type(felt).__name__.lower()}", self.name)
        match self.model:
            case Causal() if isinstance(self.model.spec.head, MultiVector):
                return [self._vectors(self.model, item) for item in items]
            case QueryMatch():
                return [self._compared(self.model, item) for item in items]
            case Match() | Encode() | Bind():
                return torch.stack([self._embedded(self.model, item) for item in items])
            case EncodeVolume() as model:
                return torch.stack([self._scanned(model, item) for item in items])
            case Causal() | EncodeText() | EncodePage() | Seq2Seq() | Segment() | Connect() | See() | MaskDecoder() | Find():
                raise Unsupported("embed", self.name)

    @torch.inference_mode()
    def segment(self, picture: object, *by: str | Point | Box) -> tuple[Outline, ...]:
        match self.model:
            case Segment() as model:
                return pointed(model, open_picture(cast(Source, picture), self.limits), by, self.device)
            case Causal() as model if isinstance(model.spec.head, Pointing):
                return self._spoken(model, open_picture(cast(Source, picture), self.limits), by)
            case _:
                raise Unsupported("segment", self.name)

    def _vectors(self, model: Causal, item: object) -> Tensor:
        """A vector for every token of a text or of a picture and what the template says to it, [T, width]."""
        planner = self._planner("embed")
        opened = [] if isinstance(item, str) else [open_picture(cast(Source, item), self.limits)]
        message = Message("user", (Text(item) if isinstance(item, str) else Image(0),))
        plan = planner.plan([[message]], self._items(planner, opened), names=[picture.name for picture in opened])
        return model.embed(plan.batch(self._patches(model.spec.sight, opened, plan.items)).to(self.device))[0]

    @torch.inference_mode()
    def _judged(self, model: QueryMatch, request: Request, options: Sequence[str]) -> list[Score]:
        """How likely each text belongs to the picture."""
        pictures, words = pictures_of(request.messages), [p for m in request.messages for p in m.content if isinstance(p, Text)]
        if len(pictures) != 1 or words or self.tokenizer is None:
            said = f"{len(pictures)} pictures and {len(words)} texts"
            raise BadPrompt(f"this model judges texts beside one picture: the request has {said}, give the texts as options")
        scores = []
        for option in options:
            ids = torch.tensor([self.tokenizer.encode(option, framed=True)], device=self.device)
            logits_12 = model.judged(self._seen(model.spec, pictures[0]), ids, torch.ones_like(ids, dtype=torch.bool))
            scores.append(Score(option, float(logits_12.float().log_softmax(-1)[0, 1]), ids.shape[1]))
        return scores

    def _compared(self, model: QueryMatch, item: object) -> Tensor:
        """A vector for each query of a picture, one for a text, [T, width]."""
        if isinstance(item, str) and self.tokenizer is not None:
            ids = torch.tensor([self.tokenizer.encode(item, framed=True)], device=self.device)
            return model.embed_texts(ids, torch.ones_like(ids, dtype=torch.bool))
        return model.embed_pictures(self._seen(model.spec, item))[0]

    def _spoken(self, model: Causal, picture: Picture, by: Sequence[str | Point | Box]) -> tuple[Outline, ...]:
        """What an answer to one question names."""
        match tuple(by):
            case (str() as words,):
                planner, request = self._planner("segment"), Request((Message("user", (Text(words),)),))
                return spoken(model, planner, picture, words, self._sampling(planner, [request]))
            case _:
                raise BadPrompt(f"{len(by)} hints: this model outlines what one question in words asks for")

    def _felt(self, model: Bind, item: Felt) -> Tensor:
        """The unit vector of what is no picture: the mean of its pieces'."""
        signal = signal_of(model.spec.signals, item)
        if signal is None:
            raise Unsupported(f"embed {type(item).__name__.lower()}", self.name)
        values_ICHW = torch.from_numpy(given(item, signal)).to(self.device, next(model.parameters()).dtype)
        return unit(model.embed_signals(signal.name, values_ICHW).mean(0))

    def _embedded(self, model: Match | Encode | Bind, item: object) -> Tensor:
        if isinstance(item, Felt) and isinstance(model, Bind):
            return self._felt(model, item)
        if isinstance(item, str) and self.tokenizer is not None and not isinstance(model, Encode):
            ids = torch.tensor([self._filled(model.spec.text, self.tokenizer, item)], device=self.device)
            return model.embed_texts(ids, torch.ones_like(ids, dtype=torch.bool))[0]
        return model.embed_pictures(self._seen(model.spec, item))[0]

    def _scanned(self, model: EncodeVolume, item: object) -> Tensor:
        """The unit vector of a scan; where the model reads reports, a string is one."""
        if not isinstance(item, str) or model.spec.text is None:
            scan_HWT = seen(open_volume(cast(VolumeSource, item)), model.spec.window)
            return model.embed_volumes(torch.from_numpy(scan_HWT[None]).to(self.device))[0]
        if self.tokenizer is None:
            raise Unsupported("embed text", self.name)
        ids = self.tokenizer.encode(item.lower().replace("\n", " "), framed=True)
        if len(ids) > model.spec.words:
            end = list(self.tokenizer.frame[1])
            ids = ids[: model.spec.words - len(end)] + end
        ids_1T = torch.tensor([ids], device=self.device)
        return model.embed_texts(ids_1T, torch.ones_like(ids_1T, dtype=torch.bool))[0]

    def _seen(self, looks: Looks, item: object) -> Seen:
        """One picture as a model's encoder is given it."""
        return Seen.of(looks, [open_picture(cast(Source, item), self.limits).pixels], self.device)

    @torch.inference_mode()
    def locate(
        self, picture: object, phrases: str | Sequence[str], *, likely: float = 0.3, named: float = 0.25
    ) -> tuple[Sighting, ...]:
        model, tokenizer = self.model, self.tokenizer
        if not isinstance(model, Find) or tokenizer is None:
            raise Unsupported("locate", self.name)
        return located(model, open_picture(cast(Source, picture), self.limits), phrases, tokenizer, self.device, likely, named)

    def _filled(self, tower: TextTower, tokenizer: Tokenizer, text: str) -> list[int]:
        """Ids of a text; up to the last place, where that one stands for the text, pads and all."""
        ids = tokenizer.encode(text, framed=True)
        pad = tokenizer.pad_id if tokenizer.pad_id is not None else tokenizer.eos_id
        if tower.pool != "last" or pad is None:
            return ids
        return ids + [pad] * (tower.positions - len(ids))

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
        plan.fits(max(request.max_tokens for request in requests))
        return plan

    def _headed(self, source: object) -> Picture | Header | Shown:
        """What a plan needs of a picture or a clip; its pixels only where these decide how much of it is shown."""
        if isinstance(source, Clip):
            return shown(source, self._frames().take)
        return open_picture(cast(Source, source), self.limits) if self.budget else header(cast(Source, source), self.limits)

    def _opened(self, source: object) -> Picture | Film:
        if isinstance(source, Clip):
            return open_clip(source, self._frames().take)
        return open_picture(cast(Source, source), self.limits)

    def _opened_once(self, sources: Sequence[object]) -> list[Picture | Film]:
        """Each source opened, the same one only once."""
        held: dict[Hashable, Picture | Film] = {}
        for source in sources:
            if identity(source) not in held:
                held[identity(source)] = self._opened(source)
        return [held[identity(source)] for source in sources]

    def _batch(self, plan: Plan, opened: Sequence[Picture | Film], sources: Sequence[object]) -> Batch:
        """A plan's tensors; what several rows say of the same sources is there once."""
        shared, sight = beginnings(plan, [identity(source) for source in sources]), plan.spec.sight
        if shared is None:
            return plan.batch(self._patches(sight, opened, plan.items)).to(self.device)
        first = [opened[item] for item in shared.items]
        return shared.batch(self._patches(sight, first, shared.begun.items)).to(self.device)

    def _frames(self) -> Frames:
        """How the model sees clips. Raises `Unsupported` where it does not."""
        sight = None if self.planner is None else self.planner.spec.sight
        if sight is None or sight.clips is None:
            raise Unsupported("read clips", self.name)
        return sight.clips

    def _items(self, planner: Planner, shown: Sequence[Picture | Film | Header | Shown]) -> list[Item]:
        """Pictures and clips as a plan knows them. Raises `BadPrompt` for a clip of more frames than the model looks at."""
        sight, items = planner.spec.sight, list[Item]()
        for one in shown:
            share = self.budget(one.pixels) if self.budget and isinstance(one, Picture) else 1.0
            size = Size(one.width, one.height, share=share)
            if isinstance(one, Film | Shown) and sight is not None:
                items.append(filmed(sight, self._frames(), size, one.times, one.name))
            else:
                items.append(size)
        return items

    def _patches(self, sight: Sight | None, opened: Sequence[Picture | Film], items: Sequence[Item]) -> Tensor | None:
        if sight is None or not opened:
            return None
        views = []
        for number, (one, item) in enumerate(zip(opened, items, strict=True)):
            match one:
                case Film(frames, times):
                    views.append(look_clip(self._frames(), sight.encoder, frames, times, number))
                case Picture():
                    told = (item.beside, item.share) if isinstance(item, Size) else (0, 1.0)
                    views += look(sight, one.pixels, number, *told)
        return torch.from_numpy(packed(views))

    def _sampling(self, planner: Planner, requests: Sequence[Request]) -> Sampling:
        """The first request's way of sampling or the folder's own, ended by the tokenizer's end of sequence as well."""
        chosen = requests[0].sampling or self.sampling
        end = planner.tokenizer.eos_id
        stop_ids = chosen.stop_ids if end is None or end in chosen.stop_ids else (*chosen.stop_ids, end)
        return replace(chosen, stop_ids=stop_ids)


def _pictures(requests: Sequence[Request]) -> list[Any]:
    return [picture for request in requests for picture in pictures_of(request.messages)]
