"""From logits to the next token: weaken, forbid, narrow, draw, in the order and arithmetic of transformers' processors.

All of it happens in float32. Functions take scores [B, S] and return new ones; a token that is out has minus infinity.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from chiasm.errors import BadCheckpoint
from chiasm.generate.sampling import Sampling

OUT = float("-inf")


def penalised(scores_BS: Tensor, seen_BS: Tensor, penalty: float) -> Tensor:
    """Scores of seen tokens divided by the penalty where positive, multiplied where negative."""
    weaker = torch.where(scores_BS < 0, scores_BS * penalty, scores_BS / penalty)
    return torch.where(seen_BS, weaker, scores_BS)


def top_k(scores_BS: Tensor, k: int) -> Tensor:
    """The k best, and what equals the last of them."""
    least = scores_BS.topk(min(k, scores_BS.shape[-1])).values[:, -1:]
    return scores_BS.masked_fill(scores_BS < least, OUT)


def top_p(scores_BS: Tensor, share: float) -> Tensor:
    """The smallest set of best tokens that holds at least `share` of the probability; never none."""
    rising, order = scores_BS.sort(-1)
    out = rising.softmax(-1).cumsum(-1) <= 1 - share
    out[:, -1] = False
    return scores_BS.masked_fill(torch.zeros_like(out).scatter(-1, order, out), OUT)


def min_p(scores_BS: Tensor, share: float) -> Tensor:
    """What has at least `share` of the best token's probability."""
    chances = scores_BS.softmax(-1)
    return scores_BS.masked_fill(chances < share * chances.amax(-1, keepdim=True), OUT)


class Chooser:
    """Chooses the next token of every row; remembers what each row has seen and where its random numbers are."""

    def __init__(
        self, sampling: Sampling, prompts: Sequence[Tensor], never: Sequence[int], seeds: Sequence[int], like: Tensor
    ) -> None:
        """`prompts` are the ids of each row without pads, `never` ids forbidden besides the sampling's own, `seeds` one
        per row; `like` are logits [B, S] of the kind to come."""
        vocab, device = like.shape[-1], like.device
        self.sampling = sampling
        self._never = _within(vocab, (*never, *sampling.forbidden_ids), device)
        self._stop = _within(vocab, sampling.stop_ids, device)
        self._draws = [torch.Generator(device).manual_seed(seed) for seed in seeds] if sampling.temperature > 0 else []
        self._seen_BS: Tensor | None = None
        if sampling.repetition_penalty != 1.0:
            self._seen_BS = torch.zeros(len(prompts), vocab, dtype=torch.bool, device=device)
            for seen, ids in zip(self._seen_BS, prompts, strict=True):
                seen[ids[(ids >= 0) & (ids < vocab)].to(device)] = True

    def choose(self, logits_BS: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """Each row's token of this number (from 0), and the model's own log-probability of it: [B], [B]."""
        plain_BS = logits_BS.float()
        total_B = plain_BS.logsumexp(-1)
        if bool(total_B.isnan().any()):
            said = "its weights are damaged, or their numbers too large for this dtype: try float32"
            raise BadCheckpoint(f"the scores of the model's next token are no numbers: {said}")
        scores_BS = self.scores(plain_BS, number)
        if self.sampling.temperature == 0:
            ids_B = scores_BS.argmax(-1)
        else:
            chances = scores_BS.softmax(-1)
            drawn = [torch.multinomial(row, 1, generator=g) for row, g in zip(chances, self._draws, strict=True)]
            ids_B = torch.cat(drawn)
        if self._seen_BS is not None:
            self._seen_BS[torch.arange(len(ids_B), device=ids_B.device), ids_B] = True
        return ids_B, plain_BS.gather(-1, ids_B[:, None])[:, 0] - total_B

    def scores(self, scores_BS: Tensor, number: int) -> Tensor:
        """Scores after everything but the draw."""
        how = self.sampling
        if self._seen_BS is not None:
            scores_BS = penalised(scores_BS, self._seen_BS, how.repetition_penalty)
        if number < how.min_new_tokens and len(self._stop):
            scores_BS = scores_BS.index_fill(-1, self._stop, OUT)
        if len(self._never):
            scores_BS = scores_BS.index_fill(-1, self._never, OUT)
        if how.temperature == 0:
            return scores_BS
        scores_BS = scores_BS / how.temperature
        if how.top_k is not None:
            scores_BS = top_k(scores_BS, how.top_k)
        if how.top_p < 1:
            scores_BS = top_p(scores_BS, how.top_p)
        return min_p(scores_BS, how.min_p) if how.min_p > 0 else scores_BS

    def keep(self, places: Sequence[int]) -> None:
        """From now on the batch has these of its rows."""
        self._draws = [self._draws[place] for place in places] if self._draws else []
        if self._seen_BS is not None:
            self._seen_BS = self._seen_BS[list(places)]


def _within(vocab: int, ids: Sequence[int], device: torch.device) -> Tensor:
    return torch.tensor(sorted({i for i in ids if 0 <= i < vocab}), dtype=torch.int64, device=device)
