"""Decoding on a GPU by replay: a step of a model is recorded as a CUDA graph once and from then on launched as one.

A small model's step is hundreds of kernels of a few microseconds each, and Python launches them slower than a GPU runs them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from chiasm.errors import Overflow
from chiasm.layers.attention import Slot
from chiasm.layers.cache import KVCache
from chiasm.layers.rope import Turn, turn
from chiasm.model import Causal
from chiasm.spec import Attends, Decoder, DynamicNtk, LongRope, Rope, StepNtk

PATIENCE = 8
"""Tokens that a row must have got before the next ones are replayed: recording takes about as long as reading so many."""

Step = Callable[[], Tensor]
Recorder = Callable[[Step], Step]
"""Makes of a step one that does the same in place, over and over."""


def on_gpu(step: Step) -> Step:
    """The step as a graph; its result is always the same tensor."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = step()

    def again() -> Tensor:
        graph.replay()
        return out

    return again


def can_replay(model: Causal, cache: KVCache) -> bool:
    """Whether a step's kernels and their sizes are the same for every position: heads that are turned by tables, keys that are
    all seen, the same weights for every token, and nothing beside the text."""
    decoder: Decoder = model.spec.decoder
    if not isinstance(decoder.rope, Rope) or decoder.rope.calm is not None or cache.beside is not None:
        return False
    if isinstance(decoder.rope.scaling, DynamicNtk | LongRope | StepNtk):
        return False
    windows = (decoder.window_of(layer) for layer in range(decoder.depth))
    whole = all(window is None or window >= cache.room for window in windows)
    return whole and decoder.block.mixer == Attends() and not decoder.turns and decoder.block.experts is None


class Replay:
    """Reads one more token of every row of one cache, again and again; the same as the engine's step.

    The recorded step sees the cache's whole room, of which `valid_BT` hides what is not written yet.
    """

    def __init__(self, model: Causal, cache: KVCache, where_B: Tensor, recorder: Recorder = on_gpu) -> None:
        self.model, self.cache, self.recorder = model, cache, recorder
        self.begun = cache.length
        for part in (cache.keys, cache.values):
            # Hidden is not unread: what counts for nothing may be no number, in memory that was never written.
            part[:, :, :, cache.length :].zero_()
        decoder = model.spec.decoder
        assert isinstance(decoder.rope, Rope)
        width = decoder.block.head_width if decoder.block.latent is None else decoder.block.latent.turned
        steps_T = torch.arange(cache.room - cache.length, device=where_B.device)
        where_ABT = (where_B[:, None] + steps_T).expand(model.spec.axes, -1, -1)
        self.turns = turn(decoder.rope, width, where_ABT, cache.prompt_B).to(cache.keys.dtype)
        self.by = Turn(self.turns.cos[:, :1].clone(), self.turns.sin[:, :1].clone())
        self.ids_B1, self.at_1 = torch.zeros_like(where_B)[:, None], torch.zeros_like(where_B[:1])
        self.run: Step | None = None

    def __call__(self, ids_B: Tensor) -> Tensor:
        """Logits [B, S], which the next call writes over."""
        cache, number = self.cache, self.cache.length - self.begun
        if cache.length == cache.room:
            raise Overflow(f"the cache holds {cache.room} positions: ask for room for more")
        self.ids_B1.copy_(ids_B[:, None])
        self.at_1.fill_(cache.length)
        self.by.cos.copy_(self.turns.cos[:, number : number + 1])
        self.by.sin.copy_(self.turns.sin[:, number : number + 1])
        cache.length += 1
        if self.run is not None:
            return self.run()
        # The first time is no rehearsal: its result is this token's, and the record begins with the next one.
        logits_BS = self._step()
        self.run = self.recorder(self._step)
        return logits_BS

    def _mask(self) -> Tensor:
        """What is seen; as what is added to scores, which no kernel has to make of it again, unless scores are bent before."""
        seen_B11T = self.cache.valid_BT[:, None, None]
        if self.model.spec.decoder.block.scores.cap is not None:
            return seen_B11T
        return torch.zeros_like(seen_B11T, dtype=self.cache.keys.dtype).masked_fill_(~seen_B11T, float("-inf"))

    def _step(self) -> Tensor:
        language, cache = self.model.language, self.cache
        cache.valid_BT.index_fill_(1, self.at_1, True)
        hidden_B1D, mask_B11T = language.embed(self.ids_B1), self._mask()
        with cache.written_at(self.at_1):
            for layer, block in enumerate(language.blocks):
                hidden_B1D = block(hidden_B1D, mask_B11T, self.by, Slot(cache, layer))
        return self.model.logits(language.leave(language.norm(hidden_B1D))[:, -1])
