"""What a picture looks like, in a few numbers that scaling, compression, borders and small crops hardly change.

Three views of the grey picture are hashed: all of it, what is left without an even border, and the middle of that. Each gives
64 bits of its lowest waves (discrete cosine transform against their median) and 64 bits of its steps (each cell of a row
brighter than the one before it), and is kept as a coarse and as a small copy.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chiasm.pixels.open import Picture

LONGEST = 256
"""Side in pixels to which a picture is brought before anything else."""
FIELD, SMALL, COARSE = 32, 48, 16
"""Sides of what waves are taken of, of the copy that is laid over another one, and of the coarse copy."""
SHOWN = 192
"""Longest side of what people are shown."""
MIDDLE = 0.05
"""What the middle leaves out on each side."""
EVEN, LEAST = 12, 8
"""Grey levels within which a border is even, and pixels that trimming leaves."""
FLATTEST = 1.0
"""Standard deviation in grey levels under which a picture has no look to speak of."""

_WAVES = np.cos(np.pi / FIELD * (np.arange(FIELD) + 0.5) * np.arange(8)[:, None])


@dataclass(frozen=True, eq=False)
class Look:
    """Hashes and copies of the views, 9 KB of them: coarse ones of mean 0 and length 1, small ones in grey levels."""

    waves_V: NDArray[np.uint64]
    steps_V: NDArray[np.uint64]
    coarse_VC: NDArray[np.float32]
    small_VHW: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Signature:
    """A picture as it is compared: SHA-256 of its file and a digest of its pixels, and its look, which an even one lacks;
    `shown` is a small JPEG for people."""

    file: str
    pixels: str
    look: Look | None
    shown: bytes


def signature(picture: Picture) -> Signature:
    """Of a decoded picture."""
    digest = hashlib.blake2b(repr(picture.pixels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(picture.pixels).data)
    return Signature(picture.sha256, digest.hexdigest(), look(picture.pixels), jpeg(picture.pixels))


def jpeg(pixels_HWC: NDArray[np.uint8], longest: int = SHOWN) -> bytes:
    """A small copy for people."""
    made, file = Image.fromarray(pixels_HWC), io.BytesIO()
    made.thumbnail((longest, longest), Image.Resampling.BILINEAR)
    made.save(file, "JPEG", quality=70)
    return file.getvalue()


def look(pixels_HWC: NDArray[np.uint8]) -> Look | None:
    """Of RGB pixels; none for a picture that is even all over."""
    picture = Image.fromarray(pixels_HWC)
    shrunk = max(1, round(max(picture.size) / LONGEST))
    grey = (picture.reduce(shrunk) if shrunk > 1 else picture).convert("L")
    if np.asarray(grey).std() < FLATTEST:
        return None
    kept = trimmed(np.asarray(grey, np.int16))
    size = np.array((grey.width, grey.height) * 2)
    edge = MIDDLE * np.tile(kept[2:] - kept[:2], 2) * (1, 1, -1, -1)
    places = [np.array((0.0, 0.0, 1.0, 1.0)), kept, kept + edge]

    def seen(place: NDArray[np.float64], width: int, height: int) -> NDArray[np.uint8]:
        left, top, right, bottom = (place * size).tolist()
        return np.asarray(grey.resize((width, height), Image.Resampling.BOX, (left, top, right, bottom)))

    return Look(
        np.array([_waves(seen(place, FIELD, FIELD)) for place in places]),
        np.array([_steps(seen(place, 9, 8)) for place in places]),
        np.stack([_standard(seen(place, COARSE, COARSE)) for place in places]),
        np.stack([seen(place, SMALL, SMALL) for place in places]),
    )


def trimmed(grey_HW: NDArray[np.int16]) -> NDArray[np.float64]:
    """What an even border of any kind surrounds, as left, top, right, bottom of 0 to 1; all, where hardly anything is."""
    height, width = grey_HW.shape
    top, bottom = _even(grey_HW), _even(grey_HW[::-1])
    left, right = _even(grey_HW.T), _even(grey_HW.T[::-1])
    if top + bottom > height - LEAST or left + right > width - LEAST:
        return np.array((0.0, 0.0, 1.0, 1.0))
    return np.array((left / width, top / height, 1 - right / width, 1 - bottom / height))


def _even(lines: NDArray[np.int16]) -> int:
    """How many lines from the first on are of one grey, and of the same one."""
    level = np.median(lines[0])
    even = np.abs(lines - level).max(1) <= EVEN
    return len(lines) if even.all() else int(np.argmin(even))


def _waves(field_HW: NDArray[np.uint8]) -> np.uint64:
    """The mean brightness, the first of them, says nothing: its bit is never set."""
    low = (_WAVES @ field_HW @ _WAVES.T).ravel()
    low[0] = -np.inf
    return _packed(low > np.median(low[1:]))


def _steps(cells_HW: NDArray[np.uint8]) -> np.uint64:
    return _packed((cells_HW[:, 1:] > cells_HW[:, :-1]).ravel())


def _packed(bits: NDArray[np.bool_]) -> np.uint64:
    return np.packbits(bits).view(np.uint64)[0]


def _standard(cells_HW: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Cells in a row, of mean 0 and length 1: the product of two such rows is their correlation."""
    level = cells_HW.ravel() - cells_HW.mean(dtype=np.float32)
    return level / max(float(np.linalg.norm(level)), 1e-6)
