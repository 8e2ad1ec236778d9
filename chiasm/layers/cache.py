"""Keys and values of what was read, allocated once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

from chiasm.errors import Overflow
from chiasm.layers.memory import empty


class Rows(Protocol):
    """What a batch's rows know beside what they have read."""

    def pick(self, rows: list[int]) -> Self:
        """The same of these rows, in this order."""
        ...


@dataclass(frozen=True)
class Running:
    """What a layer keeps of its rows that reads them in order, however long they are: the last positions' channels [B, C, K],
    and a state for each head, float32 [B, N, F, F]."""

    last_BCK: Tensor
    state_BNFF: Tensor

    def pick(self, rows: list[int]) -> Running:
        """The same of these rows, in this order."""
        return Running(self.last_BCK[rows], self.state_BNFF[rows])


class KVCache:
    """Room for `room` positions of every layer that asks: keys and values [B, N, T, F]. Rows share one length. `value_width`
    is for heads whose values are of another width. `running` are the layers that keep a state instead.

    `valid_BT` marks the positions that are no pads; pads stand on the left of what is read at once. `prompt_B` are the lengths
    of what was read first, `beside` is what the rows see outside of the sequence: pictures that are asked.
    """

    def __init__(
        self,
        layers: int,
        rows: int,
        heads: int,
        room: int,
        head_width: int,
        dtype: torch.dtype,
        device: torch.device,
        value_width: int | None = None,
        running: Sequence[Running] = (),
    ) -> None:
        shape = (layers, rows, heads, room)
        self.keys, self.values = (empty((*shape, width), dtype, device) for width in (head_width, value_width or head_width))
        self._layers = [(self.keys[layer], self.values[layer]) for layer in range(layers)]
        self.valid_BT = torch.zeros(rows, room, dtype=torch.bool, device=device)
        self.padded = False
        self.room, self.length = room, 0
        self.prompt_B: torch.Tensor | None = None
        self.beside: Rows | None = None
        self.running = list(running)
        self._at_1: Tensor | None = None

    def advance(self, valid_BT: Tensor) -> None:
        """Takes the next positions; once per forward, before the layers write. Raises `Overflow` when it is full."""
        end = self.length + valid_BT.shape[1]
        if end > self.room:
            message = f"the cache holds {self.room} positions and {end} are needed: ask for room for {end - self.room} more"
            raise Overflow(message)
        self.valid_BT[:, self.length : end] = valid_BT
        self.padded = self.padded or not bool(valid_BT.all())
        self.length = end

    def begun(self, where_ABT: Tensor) -> Tensor:
        """How long each row was when it was read first, [B]; `where_ABT` are the positions that are read now."""
        if self.prompt_B is None:
            self.prompt_B = where_ABT[0].amax(-1) + 1
        return self.prompt_B

    def write(self, layer: int, keys_BNTF: Tensor, values_BNTF: Tensor) -> tuple[Tensor, Tensor]:
        """Stores the newest positions of one layer; returns all of its keys and values so far."""
        count, end = keys_BNTF.shape[2], self.length
        keys, values = self._layers[layer]
        if self._at_1 is not None:
            return keys.index_copy_(2, self._at_1, keys_BNTF), values.index_copy_(2, self._at_1, values_BNTF)
        keys.narrow(2, end - count, count).copy_(keys_BNTF)
        values.narrow(2, end - count, count).copy_(values_BNTF)
        return keys.narrow(2, 0, end), values.narrow(2, 0, end)

    @contextmanager
    def written_at(self, at_1: Tensor) -> Iterator[None]:
        """Inside, what is written stands at a position that a tensor says, and all the room is returned: no size changes from
        one position to the next."""
        self._at_1 = at_1
        try:
            yield
        finally:
            self._at_1 = None

    def pick(self, rows: list[int], room: int) -> KVCache:
        """A cache of these rows, in this order, repeated where named twice, with room for `room` positions."""
        layers, _, heads, _, head_width = self.keys.shape
        value_width = self.values.shape[-1]
        dtype, device, running = self.keys.dtype, self.keys.device, [layer.pick(rows) for layer in self.running]
        picked = KVCache(layers, len(rows), heads, room, head_width, dtype, device, value_width, running)
        end = picked.length = self.length
        for place, row in enumerate(rows):
            picked.keys[:, place, :, :end] = self.keys[:, row, :, :end]
            picked.values[:, place, :, :end] = self.values[:, row, :, :end]
        picked.valid_BT[:, :end] = self.valid_BT[rows, :end]
        picked.prompt_B = None if self.prompt_B is None else self.prompt_B[rows]
        picked.padded = not bool(picked.valid_BT[:, :end].all())
        picked.beside = None if self.beside is None else self.beside.pick(rows)
        return picked
