"""Encoders of volumes: scans of many slices."""

from __future__ import annotations

from dataclasses import dataclass

from chiasm.spec.language import Bidirectional


@dataclass(frozen=True)
class Window:
    """What of a volume is seen: densities from `low` to `high` as numbers from 0 to 1, and of its middle so many rows, columns
    and slices, zeros around a smaller one. `spacing` is how far apart cells are expected, in millimetres."""

    height: int
    width: int
    slices: int
    low: float
    high: float
    spacing: tuple[float, float, float]


@dataclass(frozen=True)
class ResNet3d:
    """A residual network (arXiv:1512.03385) whose filters were given a third axis: `stem` channels, then four stages of
    `blocks` bottlenecks, `widths` inside and `expansion` times as wide outside; all three axes shrink together."""

    stem: int
    blocks: tuple[int, int, int, int]
    widths: tuple[int, int, int, int]
    expansion: int = 4

    @property
    def width(self) -> int:
        return self.widths[-1] * self.expansion


@dataclass(frozen=True)
class EncodeVolume:
    """A volume to one vector, of `project` numbers where it is compared with texts, and to scores of `classes` findings
    (Merlin, arXiv:2406.06512). `text` is what reads the reports that it is compared with, in lower case, where a folder holds
    it: the state of a text's first token, projected, speaks for all of it; of longer texts the first `words` tokens are
    read."""

    window: Window
    encoder: ResNet3d
    project: int
    classes: int
    text: Bidirectional | None = None
    words: int = 512
