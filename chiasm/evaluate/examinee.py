"""Answers to many questions about pictures that were encoded once: written freely, or chosen among candidates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chiasm.connect.steps import Visual
from chiasm.errors import BadPrompt
from chiasm.evaluate.branches import branched, scores
from chiasm.generate.engine import placeholders
from chiasm.geometry import Size
from chiasm.model import Batch, Causal
from chiasm.model import Sight as Seen
from chiasm.pixels.views import look, packed
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.plan import Plan
from chiasm.prompt.planner import Planner
from chiasm.prompt.row import NO_SLOT
from chiasm.prompt.streams import reads

TOKENS_AT_ONCE = 6144
"""Positions of one forward, about."""


@dataclass(frozen=True)
class Said:
    """An answer. `ended`: the model came to an end by itself; `scores` are its candidates' log-probabilities, if any."""

    text: str
    ended: bool
    scores: tuple[float, ...] = ()


class Examinee:
    """A model that is asked one question about one picture a row; the pictures of one call are alike in size."""

    def __init__(self, model: Causal, planner: Planner) -> None:
        self.model, self.planner = model, planner
        self._endings: dict[str, tuple[int, ...]] = {}
        controls = set(planner.tokenizer.controls.values())
        self._stops = {self.ending("-")[-1], planner.tokenizer.eos_id} & controls

    @torch.inference_mode()
    def see(self, pictures: Sequence[np.ndarray], at_once: int = 32) -> list[Tensor]:
        """The visual tokens [V, D] of each picture [H, W, 3] uint8."""
        sight = self.planner.spec.sight
        if sight is None:
            raise BadPrompt("a model of text alone cannot sit an exam about pictures")
        if reads(sight.connector) is not None:
            raise BadPrompt("this exam shows each picture once for many questions, and this model sees it by the question")
        seen: list[Tensor] = []
        device = next(self.model.parameters()).device
        for start in range(0, len(pictures), at_once):
            some = pictures[start : start + at_once]
            plan = self._plan(["-"] * len(some), _size(some[0]))
            views = [view for number, picture in enumerate(some) for view in look(sight, picture, number)]
            batch = plan.batch(torch.from_numpy(packed(views))).to(device)
            assert isinstance(batch.sight, Seen)
            seen += self.model.see(batch.sight).tokens_VD.split(plan.visual_tokens())
        return seen

    @torch.inference_mode()
    def write(self, questions: Sequence[str], seen: Sequence[Tensor], size: Size, tokens: int) -> list[Said]:
        """seen[n] is what question n is about, a picture of `size`. The likeliest token each time, up to the end of the turn
        or `tokens` of them."""
        said: list[Said] = []
        for part in self._portions(questions, size, tokens):
            plan = self._plan(questions[part], size)
            plan.fits(tokens)
            ids_BT = self._greedy(plan, Visual(torch.cat(list(seen[part])), plan.laid), tokens)
            said += [self._said(row) for row in ids_BT.tolist()]
        return said

    @torch.inference_mode()
    def choose(
        self, questions: Sequence[str], seen: Sequence[Tensor], size: Size, candidates: Sequence[Sequence[str]]
    ) -> list[Said]:
        """As `write`, but of candidates[n] the one with the highest log-probability, summed over its tokens and the end of
        the turn."""
        said: list[Said] = []
        endings = [[self.ending(text) for text in several] for several in candidates]
        longest = max(sum(len(ending) - 1 for ending in several) for several in endings)
        for part in self._portions(questions, size, longest):
            rows = branched(self._plan(questions[part], size), endings[part])
            sums = scores(self.model, rows, Visual(torch.cat(list(seen[part])), rows.plan.laid))
            each = sums.split([len(several) for several in candidates[part]])
            for several, own in zip(candidates[part], each, strict=True):
                said.append(Said(several[int(own.argmax())], True, tuple(own.tolist())))
        return said

    def ending(self, answer: str) -> tuple[int, ...]:
        """The ids of an answer with the end of its turn: what training supervises."""
        if answer not in self._endings:
            asked = (Message("user", (Text("-"),)), Message("assistant", (Text(answer),)))
            whole = self.planner.plan([asked], answer=False).rows[0]
            start = len(self.planner.plan([asked[:1]]).rows[0])
            watched = np.flatnonzero(whole.supervise_T)
            if len(watched) == 0 or watched[0] != start:
                raise BadPrompt(f"the chat template does not write the answer {answer!r} right after its prompt")
            self._endings[answer] = tuple(whole.ids_T[watched].tolist())
        return self._endings[answer]

    def _plan(self, questions: Sequence[str], size: Size) -> Plan:
        asked = [[Message("user", (Image(number), Text(text)))] for number, text in enumerate(questions)]
        return self.planner.plan(asked, [size] * len(asked))

    def _portions(self, questions: Sequence[str], size: Size, more: int) -> Iterator[slice]:
        """Questions so many at a time that their rows, each `more` tokens longer than its prompt, make up one forward."""
        length = len(self._plan([max(questions, key=len)], size).rows[0]) + more
        at_once = max(1, TOKENS_AT_ONCE // length)
        return (slice(start, start + at_once) for start in range(0, len(questions), at_once))

    def _greedy(self, plan: Plan, visual: Visual, tokens: int) -> Tensor:
        batch = plan.batch().to(visual.tokens_VD.device)
        cache = self.model.room(len(plan.rows), batch.ids_BT.shape[1] + tokens)
        never = list(placeholders(self.model))
        chosen: list[Tensor] = []
        ended_B = torch.zeros(len(plan.rows), dtype=torch.bool, device=batch.ids_BT.device)
        hidden_BTD = self.model.read(batch, visual, cache)
        while True:
            logits_BS = self.model.logits(hidden_BTD[:, -1])
            logits_BS[:, [token for token in never if token < logits_BS.shape[-1]]] = float("-inf")
            chosen.append(logits_BS.argmax(-1))
            for stop in self._stops:
                ended_B |= chosen[-1] == stop
            if len(chosen) == tokens or bool(ended_B.all()):
                return torch.stack(chosen, 1)
            hidden_BTD = self.model.read(_next(batch, chosen[-1], len(chosen) - 1), None, cache)

    def _said(self, ids: Sequence[int]) -> Said:
        end = next((place for place, token in enumerate(ids) if token in self._stops), None)
        return Said(self.planner.tokenizer.decode(ids[:end]), end is not None)


def _size(picture: np.ndarray) -> Size:
    return Size(picture.shape[1], picture.shape[0])


def _next(batch: Batch, ids_B: Tensor, number: int) -> Batch:
    """One token more of every row: the answer's of this number, from 0."""
    ids_BT = ids_B[:, None]
    none_BT = torch.zeros_like(ids_BT, dtype=torch.bool)
    where_ABT = (batch.next_B + number)[None, :, None].expand(len(batch.where_ABT), -1, 1)
    return Batch(ids_BT, torch.full_like(ids_BT, NO_SLOT), where_ABT, ~none_BT, batch.next_B, none_BT)
