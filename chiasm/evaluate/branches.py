"""Candidates as branches of the row that asks: the picture and the question are read once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from chiasm.connect.steps import Visual
from chiasm.model import Causal
from chiasm.prompt.plan import Plan
from chiasm.prompt.row import NO_SLOT, Row

POSITIONS_AT_ONCE = 512
"""Hidden states whose scores of the whole vocabulary are held at a time."""


@dataclass(frozen=True)
class Branched:
    """Rows with candidates, and where their tokens are foretold.

    `spots_2S` are the row, and the position counted back from the row's end, of S hidden states; for each of the K tokens
    to score, `spot_K` is the number of its spot, `id_K` its id and `candidate_K` its candidate, counted over all rows.
    """

    plan: Plan
    spots_2S: Tensor
    spot_K: Tensor
    id_K: Tensor
    candidate_K: Tensor
    candidates: int


def branched(plan: Plan, endings: Sequence[Sequence[Sequence[int]]]) -> Branched:
    """endings[n] are the candidates that row n may go on with, none empty. The first token of each is foretold by the row's
    own last position; its last token is foretold and never read."""
    rows: list[Row] = []
    spots: list[tuple[int, int]] = []
    spot_K: list[int] = []
    id_K: list[int] = []
    candidate_K: list[int] = []
    candidate = 0
    for number, (row, several) in enumerate(zip(plan.rows, endings, strict=True)):
        joined = _joined(row, several)
        shared, at = len(spots), len(row) - len(joined)
        spots.append((number, at - 1))
        for ending in several:
            own = range(len(spots), len(spots) + len(ending) - 1)
            spots += [(number, at + step) for step in range(len(own))]
            at += len(own)
            spot_K += [shared, *own]
            id_K += ending
            candidate_K += [candidate] * len(ending)
            candidate += 1
        rows.append(joined)
    together = replace(plan, rows=tuple(rows))
    together.fits(0)
    spot, id, owner = (torch.tensor(numbers) for numbers in (spot_K, id_K, candidate_K))
    return Branched(together, torch.tensor(spots).T, spot, id, owner, candidate)


def _joined(row: Row, endings: Sequence[Sequence[int]]) -> Row:
    lengths = [len(ending) - 1 for ending in endings]
    total = sum(lengths)
    steps = np.concatenate([np.arange(length) for length in lengths])
    return Row(
        np.concatenate([row.ids_T, *(np.asarray(ending[:-1], np.int64) for ending in endings)]),
        np.concatenate([row.slots_T, np.full(total, NO_SLOT)]),
        np.concatenate([row.where_AT, np.tile(row.next + steps, (len(row.where_AT), 1))], 1),
        row.next + max(lengths),
        np.zeros(len(row) + total, bool),
        np.concatenate([np.zeros(len(row), np.int64), np.repeat(np.arange(len(lengths)) + 1, lengths)]),
        row.prompt,
        sees_2T=None if row.sees_2T is None else np.pad(row.sees_2T, ((0, 0), (0, total)), "edge"),
    )


def scores(model: Causal, rows: Branched, visual: Visual) -> Tensor:
    """The log-probability of every candidate, summed over its tokens, in float32: [candidates]."""
    batch = rows.plan.batch().to(visual.tokens_VD.device)
    hidden_SD = model.read(batch, visual)[rows.spots_2S[0], rows.spots_2S[1]]
    sums = torch.zeros(rows.candidates)
    for start in range(0, len(hidden_SD), POSITIONS_AT_ONCE):
        logits = model.logits(hidden_SD[start : start + POSITIONS_AT_ONCE]).float()
        here = (rows.spot_K >= start) & (rows.spot_K < start + POSITIONS_AT_ONCE)
        spot, token = rows.spot_K[here] - start, rows.id_K[here]
        sums.index_add_(0, rows.candidate_K[here], (logits[spot, token] - logits.logsumexp(-1)[spot]).cpu())
    return sums
