"""Prefill, then decode: token ids in, token ids out. No text here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from chiasm.errors import Overflow, Unsupported
from chiasm.generate.choose import Chooser
from chiasm.generate.contrast import contrasted
from chiasm.generate.cycles import Watch
from chiasm.generate.replay import PATIENCE, Replay, can_replay
from chiasm.generate.sampling import Sampling
from chiasm.language.seq2seq import Memory
from chiasm.layers.cache import KVCache
from chiasm.model import Alike, Batch, Causal, Seq2Seq, Writer
from chiasm.model import Sight as Seen
from chiasm.spec import AddByBox, Alone, Cross, Expert, Splice

_ENDLESS = 1 << 40
"""The length of a row that nothing bounds."""

Finish = Literal["stop", "length", "repetition", "cancelled"]
"""Why a row ended: a stop id, the limit of tokens, a cycle, or its caller's wish."""


@dataclass(frozen=True)
class Token:
    """One token of one row's answer, and the model's own log-probability of it."""

    row: int
    id: int
    logprob: float


@dataclass(frozen=True)
class End:
    """A row's last event. `stop` is the stop id that ended it, which is no token of the answer."""

    row: int
    reason: Finish
    stop: int | None = None


Event = Token | End


@dataclass(frozen=True)
class Recalled:
    """What a target's decoder goes on from: its own past, and the sources."""

    cache: KVCache
    memory: Memory

    @property
    def room(self) -> int:
        return self.cache.room

    @property
    def length(self) -> int:
        return self.cache.length

    def pick(self, rows: list[int], room: int) -> Recalled:
        """These rows, in this order, repeated where named twice, with room for `room` positions."""
        return Recalled(self.cache.pick(rows, room), self.memory.pick(rows))


Past = KVCache | Recalled
"""What was read, as the next step needs it."""


def generate(
    model: Writer,
    batch: Batch,
    sampling: Sampling,
    *,
    seeds: Sequence[int] | None = None,
    limits: Sequence[int] | None = None,
    cancelled: Collection[int] = (),
    distorted: Batch | None = None,
) -> Iterator[Event]:
    """Answers a batch of prompts: events step by step, rows in order within a step; every row ends with an `End`.

    Rows that have ended leave the batch; what a row draws depends on its own seed alone. `seeds` are one per row instead
    of `sampling.seed` + row, `limits` one per row instead of `sampling.max_new_tokens`. The caller may add rows to
    `cancelled` at any time: they end before their next token. `distorted` is the same batch with distorted
    pictures, for `sampling.contrast`. Raises `Overflow` where a row leaves no room for a token,
    and `Unsupported` for rows with branches.
    """
    if batch.segment_BT is not None:
        raise Unsupported("continue rows with branches", "generate")
    if seeds is None:
        first = torch.seed() % 2**62 if sampling.seed is None else sampling.seed
        seeds = [first + row for row in range(len(batch.ids_BT))]
    return _run(model, batch, sampling, seeds, _limits(model, batch, sampling, limits), cancelled, distorted)


def _run(
    model: Writer,
    batch: Batch,
    sampling: Sampling,
    seeds: Sequence[int],
    limits: Sequence[int],
    cancelled: Collection[int],
    distorted: Batch | None,
) -> Iterator[Event]:
    how = sampling.contrast
    with torch.inference_mode():
        logits_BS, cache = prefill(model, batch, max(limits))
        other: Past | None = None
        if distorted is not None and how is not None:
            other_BS, other = prefill(model, distorted, max(limits))
            logits_BS = contrasted(logits_BS, other_BS, how)
        begun = begun_by(batch)
        prompts = [ids[valid] for ids, valid in zip(begun.ids_BT, begun.valid_BT, strict=True)]
        chooser = Chooser(sampling, prompts, placeholders(model), seeds, logits_BS)
    watches = [Watch(sampling.cycle) if sampling.cycle else None for _ in prompts]
    in_batch, alive, next_B = list(range(len(prompts))), set(range(len(prompts))), begun.next_B
    read, read_other = Reader(model), Reader(model)
    for number in range(max(limits)):
        with torch.inference_mode():
            ids_B, logprobs_B = chooser.choose(logits_BS, number)
            chosen = list(zip(in_batch, ids_B.tolist(), logprobs_B.tolist(), strict=True))
        for row, token, logprob in chosen:
            if row not in alive:
                continue
            stopped = token in sampling.stop_ids
            if not stopped:
                yield Token(row, token, logprob)
            if stopped:
                end = End(row, "stop", token)
            elif _circles(watches[row], token):
                end = End(row, "repetition")
            elif number + 1 >= limits[row]:
                end = End(row, "length")
            else:
                continue
            alive.discard(row)
            yield end
        for row in sorted(alive.intersection(cancelled)):
            alive.discard(row)
            yield End(row, "cancelled")
        if not alive:
            return
        with torch.inference_mode():
            if 2 * len(alive) <= len(in_batch):
                places = [place for place, row in enumerate(in_batch) if row in alive]
                in_batch = [in_batch[place] for place in places]
                cache, ids_B, next_B = cache.pick(places, cache.room), ids_B[places], next_B[places]
                other = None if other is None else other.pick(places, other.room)
                chooser.keep(places)
            logits_BS = read(ids_B, next_B + number, cache)
            if other is not None and how is not None:
                logits_BS = contrasted(logits_BS, read_other(ids_B, next_B + number, other), how)


def _circles(watch: Watch | None, token: int) -> bool:
    return watch is not None and watch.sees(token)


def begun_by(batch: Batch) -> Batch:
    """The rows that are gone on with: targets where the batch's own rows are sources."""
    return batch if batch.target is None else batch.target


def prefill(model: Writer, batch: Batch, room: int) -> tuple[Tensor, Past]:
    """Reads the batch; the last position's logits [B, S], and what was read with room for `room` positions more."""
    if isinstance(model, Causal) and batch.alike is not None:
        return _begin_alike(model, batch.alike, room)
    begun = begun_by(batch)
    cache = model.room(len(begun.ids_BT), begun.ids_BT.shape[1] + room)
    match model:
        case Causal():
            return model.logits(model(batch, cache, "last")[:, -1]), cache
        case Seq2Seq():
            visual = model.see(batch.sight, batch.hint) if isinstance(batch.sight, Seen) else batch.sight
            memory = model.read(batch, visual)
            return model.logits(model.write(begun, memory, cache)[:, -1]), Recalled(cache, memory)


def _begin_alike(model: Causal, alike: Alike, room: int) -> tuple[Tensor, Past]:
    """Reads each beginning once, then all rows on from theirs."""
    begun, rest = alike.begun, alike.rest
    first = model.room(len(begun.ids_BT), begun.ids_BT.shape[1])
    model(begun, first, "last")
    past = first.pick(list(alike.begun_B), first.length + rest.ids_BT.shape[1] + room)
    hidden_BTD = further(model, rest.ids_BT, rest.where_ABT, rest.valid_BT, past)
    return model.logits(hidden_BTD[:, -1]), past


def seen(model: Writer, batch: Batch, changed: Callable[[Tensor], Tensor] = lambda patches_PK: patches_PK) -> Batch:
    """The batch with visual tokens instead of what the encoder is given; with those of `changed` patches."""
    if batch.alike is not None:
        return replace(batch, alike=replace(batch.alike, begun=seen(model, batch.alike.begun, changed)))
    if not isinstance(batch.sight, Seen):
        return batch
    return replace(batch, sight=model.see(replace(batch.sight, patches_PK=changed(batch.sight.patches_PK)), batch.hint))


def step(model: Writer, ids_B: Tensor, where_B: Tensor, past: Past) -> Tensor:
    """Reads one more token of every row at its position; logits [B, S]."""
    hidden_BTD = further(model, ids_B[:, None], where_B[:, None], torch.ones_like(ids_B[:, None], dtype=torch.bool), past)
    return model.logits(hidden_BTD[:, -1])


class Reader:
    """Reads as `step` does; on a GPU, where many tokens of the same rows are asked for, by replay."""

    def __init__(self, model: Writer) -> None:
        self.model = model
        self.past: Past | None = None
        self.count = 0
        self.replay: Replay | None = None

    def __call__(self, ids_B: Tensor, where_B: Tensor, past: Past) -> Tensor:
        if past is not self.past:
            self.past, self.count, self.replay = past, 0, None
        self.count += 1
        if self.replay is None and self.count > PATIENCE and ids_B.is_cuda:
            self.replay = self._recorded(where_B, past)
        return step(self.model, ids_B, where_B, past) if self.replay is None else self.replay(ids_B)

    def _recorded(self, where_B: Tensor, past: Past) -> Replay | None:
        if isinstance(self.model, Causal) and isinstance(past, KVCache) and can_replay(self.model, past):
            return Replay(self.model, past, where_B)
        return None


def further(model: Writer, ids_BT: Tensor, where_BT: Tensor, valid_BT: Tensor, past: Past) -> Tensor:
    """Reads more tokens of every row at their positions: hidden states [B, T, D]."""
    if isinstance(model, Seq2Seq):
        assert isinstance(past, Recalled)
        return model.language(model.language.embed(ids_BT), where_BT, valid_BT, past.memory, past.cache)
    assert isinstance(past, KVCache)
    return model.read_on(ids_BT, where_BT.expand(model.spec.axes, -1, -1), valid_BT, past)


def greedy(model: Writer, batch: Batch, count: int, never: Sequence[int] = ()) -> Tensor:
    """The `count` likeliest tokens, one after the other, but for those in `never`; none ends a row: [B, count]."""
    logits_BS, past = prefill(model, batch, count)
    out = torch.tensor([token for token in never if 0 <= token < logits_BS.shape[-1]], dtype=torch.long)
    out = out.to(logits_BS.device)
    chosen, next_B = [_likeliest(logits_BS, out)], begun_by(batch).next_B
    for number in range(count - 1):
        logits_BS = step(model, chosen[-1], next_B + number, past)
        chosen.append(_likeliest(logits_BS, out))
    return torch.stack(chosen, 1)


def _likeliest(logits_BS: Tensor, out: Tensor) -> Tensor:
    return logits_BS.index_fill(-1, out, float("-inf")).argmax(-1)


def placeholders(model: Writer) -> tuple[int, ...]:
    """Ids that stand for visual tokens: a model must never write them."""
    if model.spec.sight is None:
        return ()
    match model.spec.sight.fusion:
        case Alone() | AddByBox():
            return ()
        case Splice(image, int(video)):
            return (image, video)
        case Splice(image) | Cross(image) | Expert(image):
            return (image,)


def _limits(model: Writer, batch: Batch, sampling: Sampling, asked: Sequence[int] | None) -> list[int]:
    """How many tokens each row may get."""
    context = model.spec.context
    bounds = [bound for bound in (context, sampling.max_length) if bound is not None]
    longest = min(bounds, default=_ENDLESS)
    lengths = begun_by(batch).valid_BT.sum(-1).tolist()
    for row, length in enumerate(lengths):
        if length >= longest:
            called = "the model's context" if longest == context else "max_length"
            message = (
                f"row {row} has {length} tokens and {called} is {longest}, so there is no room for an answer: "
                f"shorten it by {length - longest + 1} or more"
            )
            raise Overflow(message)
    asked = [sampling.max_new_tokens] * len(lengths) if asked is None else asked
    return [min(most, longest - length) for most, length in zip(asked, lengths, strict=True)]
