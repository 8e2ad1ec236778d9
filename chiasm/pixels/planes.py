"""The door for pictures of one number a pixel (distance, heat): PNG of 8 or 16 bits, .npy files, arrays."""

from __future__ import annotations

import io
import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chiasm.errors import BadPicture
from chiasm.pixels.arrays import NUMBERS, stored
from chiasm.pixels.container import Unreadable
from chiasm.pixels.open import DECODERS, Limits, broken, measure
from chiasm.pixels.sources import Encoded, describe, opened, printable

PlaneSource = Encoded | NDArray[Any]

_DEFAULT = Limits(formats=("PNG",))
_MODES = {"L": 255.0, "I;16": 65535.0}
"""How Pillow calls grey pictures of 8 and 16 bits, and their highest number."""


def open_plane(source: PlaneSource, limits: Limits = _DEFAULT) -> tuple[NDArray[np.float32], float | None]:
    """Numbers [H, W], and the highest that they could be where the file's kind says so. Raises `BadPicture`."""
    if isinstance(source, np.ndarray):
        _check("an array", source.shape, source.dtype, limits)
        return _finite("an array", np.ascontiguousarray(source, np.float32)), None
    name = printable(describe(source))
    with opened(source, name, limits.bytes) as (file, _):
        numeric = file.read(6) == b"\x93NUMPY"
    if numeric:
        values, _ = stored(source, name, limits.bytes, "rows x columns", partial(_check, limits=limits))
        return _finite(name, values), None
    return _grey(source, name, limits)


def squared(values_HW: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """The middle of a plane whose shorter side became `side`, [side, side]."""
    height, width = values_HW.shape
    shorter = min(height, width)
    high, wide = (max(side, side * edge // shorter) for edge in (height, width))
    large = np.asarray(Image.fromarray(values_HW).resize((wide, high), Image.Resampling.BICUBIC))
    top, left = round((high - side) / 2), round((wide - side) / 2)
    return np.ascontiguousarray(large[top : top + side, left : left + side])


def _grey(source: Encoded, name: str, limits: Limits) -> tuple[NDArray[np.float32], float]:
    with opened(source, name, limits.bytes) as (file, length):
        container = measure(file, length, name, limits)
        file.seek(0)
        data = file.read(length)
    try:
        image = DECODERS["PNG"](io.BytesIO(container.essential(data)))
        highest = _MODES.get(image.mode)
        values = np.asarray(image, np.float32) if highest is not None else None
    except Unreadable as e:
        raise BadPicture(broken(name, "PNG", length, str(e))) from None
    except Exception:
        raise BadPicture(broken(name, "PNG", length, "is damaged or cut short")) from None
    if highest is None or values is None:
        raise BadPicture(f"{name} has colours; one number a pixel is read: save it in grey of 8 or 16 bits, or as .npy")
    return values, highest


def _check(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], limits: Limits) -> None:
    if dtype.name not in NUMBERS:
        raise BadPicture(f"{name} holds {dtype.name}; numbers are one of {', '.join(NUMBERS)}")
    if len(shape) != 2 or min(shape) < 1:
        raise BadPicture(f"{name} has the shape {shape}; one number a pixel is read, rows x columns")
    if math.prod(shape) > limits.pixels or max(shape) > limits.side:
        raise BadPicture(f"{name} has {shape[1]} x {shape[0]} pixels; at most {limits.pixels:,} are read: make it smaller")


def _finite(name: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    if not np.isfinite(values).all():
        raise BadPicture(f"{name} holds numbers that are not finite: replace them before")
    return values
