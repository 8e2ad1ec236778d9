"""How likely given answers are: candidates share the reading of their prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from chiasm.errors import BadPrompt, Overflow
from chiasm.generate.engine import Past, begun_by, further, prefill
from chiasm.model import Batch, Writer


@dataclass(frozen=True)
class Scored:
    """The log-probability of each token of one candidate, given its prompt and the tokens before it."""

    logprobs: tuple[float, ...]

    @property
    def total(self) -> float:
        return sum(self.logprobs)

    @property
    def mean(self) -> float:
        return self.total / len(self.logprobs)


def score(
    model: Writer,
    batch: Batch,
    candidates: Sequence[Sequence[Sequence[int]]],
    *,
    ends: Sequence[int] = (),
    at_once: int = 32,
) -> list[list[Scored]]:
    """Scores candidates[b], continuations of the batch's row b, as one forward of the whole text would. Where there are `ends`,
    ids that end an answer, the last log-probability of each candidate is that any of them comes next.

    Each prompt is read once; its cache is then repeated for up to `at_once` candidates at a time. Raises `BadPrompt`
    for an empty candidate and `Overflow` for one that does not fit the context.
    """
    flat = [(row, tuple(ids)) for row, several in enumerate(candidates) for ids in several]
    _fit(model, batch, flat)
    with torch.inference_mode():
        logits_BS, past = prefill(model, batch, 0)
        first_BS = logits_BS.float().log_softmax(-1)
        scored = (
            one
            for start in range(0, len(flat), at_once)
            for one in _read(model, batch, flat[start : start + at_once], tuple(ends), first_BS, past)
        )
        return [[next(scored) for _ in several] for several in candidates]


def _read(
    model: Writer,
    batch: Batch,
    flat: Sequence[tuple[int, tuple[int, ...]]],
    ends: tuple[int, ...],
    first_BS: Tensor,
    past: Past,
) -> Iterator[Scored]:
    """One forward over candidates, padded on the right; the last token of each is read only where its end is asked for."""
    rows, device = [row for row, _ in flat], first_BS.device
    starts = first_BS[rows, [ids[0] for _, ids in flat]].tolist()
    told = [ids if ends else ids[:-1] for _, ids in flat]
    lengths = [len(ids) for ids in told]
    longest = max(lengths)
    rest: list[list[float]] = [[] for _ in flat]
    if longest:
        padded_NT = torch.tensor([ids + (0,) * (longest - len(ids)) for ids in told], device=device)
        steps = torch.arange(longest, device=device)
        valid_NT = steps < torch.tensor(lengths, device=device)[:, None]
        begun = begun_by(batch)
        where_NT = begun.next_B[rows][:, None] + steps
        past = past.pick(rows, past.length + longest)
        hidden_NTD = further(model, padded_NT, where_NT, valid_NT, past)
        logprobs = model.logits(hidden_NTD[valid_NT]).float().log_softmax(-1)
        rest = [_further(own_TS, ids[1:], ends) for own_TS, (_, ids) in zip(logprobs.split(lengths), flat, strict=True)]
    for start, others in zip(starts, rest, strict=True):
        yield Scored((start, *others))


def _further(logprobs_TS: Tensor, ids: tuple[int, ...], ends: tuple[int, ...]) -> list[float]:
    """Of a candidate's tokens after its first, and of its end."""
    found: list[float] = logprobs_TS[torch.arange(len(ids)), list(ids)].tolist()
    return [*found, float(logprobs_TS[-1, list(ends)].logsumexp(-1))] if ends else found


def _fit(model: Writer, batch: Batch, flat: Sequence[tuple[int, tuple[int, ...]]]) -> None:
    context, lengths = model.spec.context, begun_by(batch).valid_BT.sum(-1).tolist()
    for row, ids in flat:
        if not ids:
            raise BadPrompt(f"an empty candidate for row {row}: there is nothing to score")
        if context is not None and lengths[row] + len(ids) > context:
            over = lengths[row] + len(ids) - context
            message = (
                f"row {row} with a candidate of {len(ids)} tokens is {over} longer than the model's context of "
                f"{context}: shorten either"
            )
            raise Overflow(message)
