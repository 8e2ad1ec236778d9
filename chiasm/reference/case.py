"""What one reference case is made of, and all of its randomness."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Picture = NDArray[np.uint8]
"""Upright RGB, [H, W, 3]."""

VOCAB, PAD, BOS, EOS = 99, 0, 1, 2
IMAGE, VIDEO, BEFORE, AFTER = 91, 92, 93, 94
"""Ids of the tiny vocabularies: placeholders, and the marks around a picture."""

TEXT = (5, 80)
"""The range that ids of text are drawn from."""


@dataclass(frozen=True)
class Case:
    """A reference model to be built and the inputs it is shown.

    `inputs` is called with the model, since the number of placeholders may depend on what it makes of a picture;
    `pictures` are what the processor was given, `clips` frames [T, H, W, 3] with the seconds that they last; `options` go to
    its forward call beside the inputs.
    """

    model: Any
    config: Any
    inputs: Callable[[Any], dict[str, Any]]
    processor: Any = None
    pictures: tuple[Picture, ...] = ()
    writes: bool = True
    options: tuple[tuple[str, Any], ...] = ()
    attention: str | None = "eager"
    """The reference's kind of attention; none: what each of its parts chooses itself."""
    clips: tuple[tuple[Picture, float], ...] = ()


class Draw:
    """Everything random in a case but its parameters. `geometry` redraws the sizes of its pictures, none keeps them."""

    def __init__(self, seed: int, geometry: int | None) -> None:
        self._numbers = torch.Generator().manual_seed(seed)
        self._sizes = None if geometry is None else random.Random(geometry)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self._numbers)

    def ids(self, *shape: int) -> Tensor:
        return torch.randint(*TEXT, shape, generator=self._numbers)

    def text(self, length: int) -> list[int]:
        drawn: list[int] = self.ids(length).tolist()
        return drawn

    def picture(self, height: int, width: int) -> Picture:
        """Smooth gradients, an edge and a little noise, so that resampling matters and is not all that matters."""
        if self._sizes is not None:
            height, width = (max(8, int(side * self._sizes.uniform(0.6, 1.7))) for side in (height, width))
        y, x = np.mgrid[0:height, 0:width].astype(np.float64)
        p = torch.rand(9, generator=self._numbers).numpy()
        waves = [np.sin(p[c] * 6 + x * (1 + p[c]) / width * 5 + y * p[c + 3] / height * 7) for c in range(3)]
        canvas = np.stack([127 + 100 * wave for wave in waves], -1)
        canvas[: height // 2, width // 3 : width // 2] = p[6:9] * 255
        noise = self.normal(height, width, 3).numpy() * 8
        seen: Picture = np.clip(canvas + noise, 0, 255).astype(np.uint8)
        return seen

    def clip(self, frames: int, height: int, width: int) -> Picture:
        """One picture that moves sideways, [T, H, W, 3]."""
        still = self.picture(height, width)
        return np.stack([np.roll(still, 3 * number, axis=1) for number in range(frames)])

    def pictures(self, *sizes: tuple[int, int]) -> tuple[Picture, ...]:
        """One picture per (height, width)."""
        return tuple(self.picture(height, width) for height, width in sizes)


def padded(*rows: Sequence[int], pad: int = PAD, left: bool = True) -> dict[str, Tensor]:
    """Rows of unequal length as input_ids and attention_mask."""
    longest = max(map(len, rows))

    def filled(row: Sequence[int], filler: int) -> list[int]:
        more = [filler] * (longest - len(row))
        return [*more, *row] if left else [*row, *more]

    ids = [filled(row, pad) for row in rows]
    mask = [filled([1] * len(row), 0) for row in rows]
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
