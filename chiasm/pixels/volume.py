"""The door for volumes: scans of many slices, as arrays or .npy files. The header is read before the numbers, which are never
code; nothing is unpickled."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import BadPicture
from chiasm.pixels.arrays import NUMBERS, stored
from chiasm.pixels.sources import Encoded, describe, printable
from chiasm.spec import Window


@dataclass(frozen=True)
class VolumeLimits:
    """What is refused before reading: `bytes` caps the file, `voxels` rows x columns x slices, `side` each of them. A scan of
    512 x 512 pixels may have a thousand slices."""

    bytes: int = 2 << 30
    voxels: int = 1 << 28
    side: int = 4096


_DEFAULT = VolumeLimits()


@dataclass(frozen=True)
class Volume:
    """Densities, [rows, columns, slices] in float32, front of the body up; `sha256` is of the file, or of the numbers."""

    values_HWT: NDArray[np.float32]
    sha256: str
    name: str


VolumeSource = Encoded | NDArray[Any]


def open_volume(source: VolumeSource, limits: VolumeLimits = _DEFAULT, *, name: str | None = None) -> Volume:
    """Reads a volume: an array of three axes, or a path, bytes or a data: URL of a .npy file. Raises `BadPicture`."""
    if isinstance(source, np.ndarray):
        name = printable(name or "an array")
        _check(name, source.shape, source.dtype, limits)
        values = np.ascontiguousarray(source, np.float32)
        return _finite(Volume(values, hashlib.sha256(values.tobytes()).hexdigest(), name))
    name = printable(name or describe(source))
    values, digest = stored(source, name, limits.bytes, "rows x columns x slices", partial(_check, limits=limits))
    return _finite(Volume(values, digest, name))


def seen(volume: Volume, window: Window) -> NDArray[np.float32]:
    """What of a volume a model sees, [height, width, slices]: densities as numbers from 0 to 1, cut or filled up with zeros on
    all sides."""
    scaled = np.clip((volume.values_HWT - window.low) / (window.high - window.low), 0, 1)
    for axis, side in enumerate((window.height, window.width, window.slices)):
        missing = max(side - scaled.shape[axis], 0)
        scaled = np.pad(scaled, [(missing // 2, missing - missing // 2) if axis == one else (0, 0) for one in range(3)])
        start = scaled.shape[axis] // 2 - side // 2
        scaled = scaled.take(range(start, start + side), axis)
    return np.ascontiguousarray(scaled, np.float32)


def _check(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], limits: VolumeLimits) -> None:
    sizes = " x ".join(map(str, shape))
    if dtype.name not in NUMBERS:
        raise BadPicture(f"{name} holds {dtype.name}; densities are one of {', '.join(NUMBERS)}")
    if len(shape) != 3 or min(shape) < 1:
        raise BadPicture(f"{name} has the shape {sizes or 'of one number'}; a volume is rows x columns x slices")
    if max(shape) > limits.side or math.prod(shape) > limits.voxels:
        message = (
            f"{name} has {sizes} voxels; at most {limits.voxels:,} are read, and {limits.side:,} along a side: give a part of "
            "it, or a coarser one"
        )
        raise BadPicture(message)


def _finite(volume: Volume) -> Volume:
    if not np.isfinite(volume.values_HWT).all():
        raise BadPicture(f"{volume.name} holds densities that are no finite numbers: replace them before")
    return volume
