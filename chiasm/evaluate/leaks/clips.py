"""What a clip looks like: the looks of some of its frames, in their order, so many seconds apart.

Frames are taken by time and not by number, so that another frame rate gives the same ones. Of a clip of up to 24 seconds four a
second are taken; of longer ones two, one, a half, ..., so that there are never more than 96, nor more pixels than fit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from chiasm.evaluate.leaks.looks import Look, jpeg, look
from chiasm.pixels.clips import Clip, clip_header, open_clip
from chiasm.pixels.reel import Film, Reel
from chiasm.spec import PerSecond
from chiasm.weights.files import sha256

ENDINGS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")
"""Of files that are clips whatever they hold; animations are told by their frames."""
RATE, MOST, PIXELS = 4.0, 96, 1 << 26
"""Frames a second of a short clip; frames and pixels that are opened of any."""
STRIP, WIDE = 3, 128
"""Frames that people are shown, and their longer side in pixels."""


@dataclass(frozen=True, eq=False)
class Followed:
    """A clip as it is compared: SHA-256 of its file (none of a folder) and a digest of the frames that were taken, their looks
    where they have one, how many seconds these are apart, and a small JPEG of some for people."""

    file: str
    frames: str
    looks: tuple[Look, ...]
    apart: float
    shown: bytes

    @property
    def seconds(self) -> float:
        return len(self.looks) * self.apart


def followed(source: Path) -> Followed:
    """Raises `BadPicture` for what cannot be opened, and `MissingExtra` for a video where nothing decodes videos."""
    reel = clip_header(Clip(source))
    rate = rate_of(reel)
    film = open_clip(Clip(source, PerSecond(rate)))
    looks = [look(frame) for frame in film.frames]
    return Followed(
        sha256(source) if source.is_file() else "",
        _digest(film),
        tuple(one for one in looks if one is not None),
        float(reel.seconds) / len(film.frames),
        jpeg(_strip(film), STRIP * WIDE),
    )


def rate_of(reel: Reel) -> float:
    """Frames a second that are taken: a power of two, so that those of longer clips are among those of their parts."""
    most = max(2, min(MOST, PIXELS // (reel.width * reel.height)))
    rate = RATE
    while rate * float(reel.seconds) > most:
        rate /= 2
    return rate


def _digest(film: Film) -> str:
    made = hashlib.blake2b(repr(film.frames[0].shape).encode(), digest_size=16)
    for frame in film.frames:
        made.update(np.ascontiguousarray(frame).data)
    return made.hexdigest()


def _strip(film: Film) -> np.ndarray:
    """Frames beside one another."""
    return np.concatenate(list(_some(film)), axis=1)


def _some(film: Film) -> Iterator[np.ndarray]:
    for number in range(STRIP):
        small = Image.fromarray(film.frames[number * (len(film.frames) - 1) // (STRIP - 1)])
        small.thumbnail((WIDE, WIDE))
        yield np.asarray(small)
