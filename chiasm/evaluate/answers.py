"""Answers to many questions about pictures that were encoded once: written, or chosen among candidates.

The candidates of a question are branches of one row: its picture and its words are read once for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from chiasm.connect.steps import Visual
from chiasm.errors import BadPrompt
from chiasm.geometry import Size
from chiasm.model import Batch, Causal
from chiasm.pixels.views import look, packed
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.plan import NO_SLOT, Plan, Row
from chiasm.prompt.planner import Planner

TOKENS_AT_ONCE = 6144
POSITIONS_AT_ONCE = 512


@dataclass(frozen=True)
class Said:
    """An answer. `ended`: the model came to an end by itself; `scores` are the candidates' log-probabilities, if any."""

    text: str
    ended: bool
    scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Branches:
    """Rows with candidates, and where each candidate's tokens are foretold: `spots` are (row, position from the row's end)
    of hidden states, and for every token that is scored the number of its spot, its id, and its candidate counted over all
    rows."""

    plan: Plan
    spots_2: Tensor
    spot_K: Tensor
    id_K: Tensor
    candidate_K: Tensor
    candidates: int


class Examinee:
    """A model under examination. Its rows hold one picture and one question; all pictures are of one size."""

    def __init__(self, model: Causal, planner: Planner) -> None:
        self.model, self.planner = model, planner
        self._endings: dict[str, tuple[int, ...]] = {}

    @torch.inference_mode()
    def see(self, pictures: Sequence[np.ndarray], at_once: int = 32) -> list[Tensor]:
        """The visual tokens [V, D] of each picture [H, W, 3]."""
        seen: list[Tensor] = []
        for start in range(0, len(pictures), at_once):
            some = pictures[start : start + at_once]
            plan = self._plan(["-"] * len(some), some[0])
            views = [view for n, picture in enumerate(some) for view in look(self._sight, picture, n)]
            batch = plan.batch(torch.from_numpy(packed(views)))
            assert batch.sight is not None
            seen += self.model.see(batch.sight).tokens_VD.split(plan.visual_tokens())
        return seen

    @torch.inference_mode()
    def write(self, questions: Sequence[str], seen: Sequence[Tensor], like: np.ndarray, tokens: int) -> list[Said]:
        """The likeliest next token each time, up to the end of the turn or `tokens` of them."""
        said: list[Said] = []
        rows = self._rows(questions, like)
        for part in _portions([len(row) + tokens for row in rows.rows]):
            plan = _part(rows, part)
            ids_BT = self._greedy(plan, _visual(plan, seen[part]), tokens)
            said += [self._said(row) for row in ids_BT.tolist()]
        return said

    @torch.inference_mode()
    def choose(
        self, questions: Sequence[str], seen: Sequence[Tensor], like: np.ndarray, candidates: Sequence[Sequence[str]]
    ) -> list[Said]:
        """The candidate with the highest log-probability, summed over its tokens and the end of the turn."""
        said: list[Said] = []
        rows = self._rows(questions, like)
        endings = [[self.ending(text) for text in several] for several in candidates]
        lengths = [len(row) + sum(len(e) - 1 for e in several) for row, several in zip(rows.rows, endings, strict=True)]
        for part in _portions(lengths):
            branches = branched(_part(rows, part), endings[part])
            sums = self._scores(branches, _visual(branches.plan, seen[part])).split([len(c) for c in candidates[part]])
            for several, scores in zip(candidates[part], sums, strict=True):
                said.append(Said(several[int(scores.argmax())], True, tuple(scores.tolist())))
        return said

    def ending(self, answer: str) -> tuple[int, ...]:
        """The ids of an answer with the end of its turn, as training supervises them."""
        if answer not in self._endings:
            asked = (Message("user", (Text("-"),)), Message("assistant", (Text(answer),)))
            row = self.planner.plan([asked], answer=False).rows[0]
            prompt = self.planner.plan([asked[:1]]).rows[0]
            if not np.array_equal(row.ids_T[: len(prompt)], prompt.ids_T) or row.supervise_T[: len(prompt)].any():
                raise BadPrompt(f"the chat template does not write the answer {answer!r} right after its prompt")
            last = int(np.flatnonzero(row.supervise_T).max()) + 1
            self._endings[answer] = tuple(row.ids_T[len(prompt) : last].tolist())
        return self._endings[answer]

    @property
    def end(self) -> int:
        """The id that ends a turn."""
        return self.ending("-")[-1]

    @property
    def _sight(self):  # type: ignore[no-untyped-def]
        return self.planner.spec.sight

    def _plan(self, questions: Sequence[str], like: np.ndarray) -> Plan:
        size = Size(like.shape[1], like.shape[0])
        asked = [[Message("user", (Image(n), Text(question)))] for n, question in enumerate(questions)]
        return self.planner.plan(asked, [size] * len(asked))
