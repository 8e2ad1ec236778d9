"""How places are told: of a token in a text, of a patch in its picture or its clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from chiasm.spec.declares import Declares


@dataclass(frozen=True)
class Plain:
    """Rotary frequencies as published (arXiv:2104.09864)."""


@dataclass(frozen=True)
class LinearScaling:
    """Every position divided by `factor` (arXiv:2306.15595)."""

    factor: float


@dataclass(frozen=True)
class Llama3Scaling:
    """Llama 3.1's frequencies: long wavelengths divided by `factor`, short ones kept, a blend between."""

    factor: float
    low: float
    high: float
    original: int


_BY_LENGTH = (
    "its frequencies follow the longest row that is read at once, as the reference's do: keys that were cached, and shorter "
    "rows beside a longer one, are turned by others where that length passes `original`"
)


@dataclass(frozen=True)
class LongRope(Declares):
    """Each frequency divided by its own number, another set of them past `original` positions (arXiv:2402.13753); what is
    turned is also multiplied by `attention`."""

    short: tuple[float, ...]
    long: tuple[float, ...]
    attention: float
    original: int
    breaks: ClassVar[dict[str, str]] = {"cached_is_uncached": _BY_LENGTH, "batch_is_single": _BY_LENGTH}


@dataclass(frozen=True)
class DynamicNtk(Declares):
    """A base that grows with the length L past `original` positions: times (factor L / original - (factor - 1)) to the power
    F / (F - 2), where F numbers of a head are turned."""

    factor: float
    original: int
    breaks: ClassVar[dict[str, str]] = {"cached_is_uncached": _BY_LENGTH, "batch_is_single": _BY_LENGTH}


@dataclass(frozen=True)
class Yarn:
    """Frequencies that turn less than `slow` times in `original` positions divided by `factor`, those that turn more than
    `fast` times kept, a blend between (arXiv:2309.00071); what is turned is also multiplied by `attention`."""

    factor: float
    original: int
    fast: float = 32.0
    slow: float = 1.0
    attention: float = 1.0


@dataclass(frozen=True)
class StepNtk(Declares):
    """A base that grows in steps with the length L of a row's prompt past `original` positions: times a to the power
    F / (F - 2), where a is the power of two that is at least 2 L / original, less one (Qwen, arXiv:2309.16609)."""

    original: int
    breaks: ClassVar[dict[str, str]] = {
        "cached_is_uncached": "its frequencies follow the length of the prompt and are kept while it writes, as the "
        "reference's are: a row that is read again with its answer may be turned by others",
    }


Scaling = Plain | LinearScaling | Llama3Scaling | LongRope | DynamicNtk | Yarn | StepNtk


@dataclass(frozen=True)
class Rope:
    """Rotary positions. `sections` splits the frequencies among the axes (time, row, column) of M-RoPE; none: one axis.
    `share` is how much of each head is turned, its first numbers; `first` the position of a row's first token. Queries that
    stand beyond number `calm` of a row are made louder, by the logarithm of their number to that base (Qwen)."""

    theta: float = 10000.0
    scaling: Scaling = Plain()
    sections: tuple[int, ...] = ()
    share: float = 1.0
    first: int = 0
    calm: int | None = None

    @property
    def axes(self) -> int:
        return len(self.sections) or 1


@dataclass(frozen=True)
class Learned:
    """A learned vector for each of `count` positions, added to the embedding; the table begins with `before` idle rows."""

    count: int
    before: int = 0

    @property
    def first(self) -> int:
        return 0

    @property
    def axes(self) -> int:
        return 1


@dataclass(frozen=True)
class Sines:
    """A fixed vector for each position, sines and cosines of ever longer waves, added to the embedding (arXiv:1706.03762);
    the first position has the number `before`."""

    before: int = 0

    @property
    def first(self) -> int:
        return 0

    @property
    def axes(self) -> int:
        return 1


@dataclass(frozen=True)
class Relative:
    """A learned number per head for each of `buckets` of distances, added to the scores: half of them for single steps, the
    rest in widening ones up to `furthest` (T5, arXiv:1910.10683)."""

    buckets: int
    furthest: int


@dataclass(frozen=True)
class Table:
    """A learned vector per cell of a square grid, resized to grids of another shape. `smooth` resampling is anti-aliased;
    `ratio` is bicubic by the ratio of the sides' areas, which rounds otherwise than the sides themselves do."""

    side: int
    resample: Literal["bicubic", "bicubic_smooth", "bilinear_smooth", "ratio"] = "bicubic"


@dataclass(frozen=True)
class Buckets:
    """A learned table that is looked up by the fraction of the picture where a patch stands (NaViT, arXiv:2307.06304).

    `fractions` fall to one or the other side of a bucket's border by how they are rounded: the patch's number times a rounded
    step, or times the step, rounded then, or divided by how many there are.
    """

    side: int
    fractions: Literal["of_a_rounded_step", "rounded", "divided"] = "of_a_rounded_step"


@dataclass(frozen=True)
class Axial:
    """Rotary positions in two dimensions: half of each head turns with the row, half with the column.

    `columns`: the same frequencies as rows have, or those that lie between them (Pixtral, arXiv:2410.07073).
    """

    theta: float = 10000.0
    side: int | None = None
    """Where grids are stretched to this many steps a side, so that every resolution turns alike (arXiv:2303.11331)."""
    columns: Literal["same", "between"] = "same"


@dataclass(frozen=True)
class ClipSines:
    """Sines and cosines of all cells of a clip in one line, as if it had `frames` of `side` x `side` cells: stretched to other
    grids, bicubically, then to other numbers of frames, linearly. A single frame counts its cells alone (arXiv:2303.16058)."""

    side: int
    frames: int


@dataclass(frozen=True)
class ClipTable:
    """A learned vector for each cell of a clip of `frames` grids of `side` x `side`, and others for those of a picture; before
    training they were `begun`."""

    side: int
    frames: int
    begun: ClipSines


Position = Table | Buckets | Axial | ClipSines | ClipTable
