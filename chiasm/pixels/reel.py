"""What a clip is before its frames are seen, and the frames that are shown."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import BadPicture
from chiasm.geometry import moments
from chiasm.pixels.open import Limits
from chiasm.spec import Take

FRAME = Limits(bytes=64 << 20, pixels=1 << 24)
"""What is refused of one frame, or of an animation before its frames are counted."""


@dataclass(frozen=True)
class ClipLimits:
    """What is refused before decoding: `frames` caps how many there are, `seconds` how long they last, `taken` how many are
    shown, `pixels` those of all frames of an animation and of all that are shown, `picture` each of them, `bytes` a video."""

    frames: int = 1 << 17
    taken: int = 768
    pixels: int = 1 << 29
    picture: Limits = FRAME
    seconds: float = 7200.0
    bytes: int = 4 << 30


@dataclass(frozen=True)
class Reel:
    """A clip by its header: upright size of its frames in pixels, the second at which each begins, and the last one's end.
    `first` is the number of its first frame in the file, where it is a stretch of one."""

    name: str
    width: int
    height: int
    begins: tuple[Fraction, ...]
    seconds: Fraction
    first: int = 0

    @classmethod
    def steady(cls, name: str, size: tuple[int, int], frames: int, rate: Fraction) -> Reel:
        """So many frames of that (width, height), each shown as long as any other."""
        begins = tuple(number / rate for number in range(frames))
        return cls(name, *size, begins, frames / rate)

    def cut(self, start: float | None, end: float | None) -> Reel:
        """The stretch between two seconds, from the frame that is seen at the first; seconds are counted from there. Raises
        `BadPicture` for a stretch that holds no time or lies behind the end."""
        begin = Fraction(0) if start is None else max(Fraction(0), Fraction(start))
        stop = self.seconds if end is None else min(self.seconds, Fraction(end))
        if begin >= stop:
            told = f"from second {start} to {end} of a clip of {float(self.seconds):.2f} seconds"
            raise BadPicture(f"{self.name}: nothing is shown {told}")
        first, last = bisect_right(self.begins, begin) - 1, bisect_left(self.begins, stop)
        begins = (Fraction(0), *(one - begin for one in self.begins[first + 1 : last]))
        return Reel(self.name, self.width, self.height, begins, stop - begin, self.first + first)

    def taken(self, take: Take, limits: ClipLimits) -> Shown:
        """Which frames are shown, and when. Raises `BadPicture` where these are none or too many."""
        times = moments(take, len(self.begins), self.seconds)
        if len(times) > limits.taken:
            message = f"{len(times):,} frames are taken, and {limits.taken} at most are shown: take fewer (--frames, --fps)"
            raise BadPicture(f"{self.name}: {message}")
        if len(times) * self.width * self.height > limits.pixels:
            size = f"{len(times):,} frames of {self.width} x {self.height}"
            raise BadPicture(
                f"{self.name}: {size} are above the limit of {limits.pixels:,} pixels: take fewer (--frames, --fps)"
            )
        numbers = tuple(self.first + bisect_right(self.begins, time) - 1 for time in times)
        return Shown(self.name, self.width, self.height, numbers, tuple(map(float, times)))


@dataclass(frozen=True)
class Shown:
    """The frames that are shown of a clip, by number, and the seconds at which it is looked at."""

    name: str
    width: int
    height: int
    numbers: tuple[int, ...]
    times: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Film:
    """Frames of one size, uint8 [H, W, 3], and the second at which each is seen."""

    frames: tuple[NDArray[np.uint8], ...]
    times: tuple[float, ...]
    name: str

    @property
    def height(self) -> int:
        return int(self.frames[0].shape[0])

    @property
    def width(self) -> int:
        return int(self.frames[0].shape[1])
