"""The door for numbers in .npy files. The header is read before the numbers, which are never code; nothing is unpickled."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from chiasm.errors import BadPicture
from chiasm.pixels.sources import Encoded, opened

NUMBERS = ("int8", "uint8", "int16", "uint16", "int32", "float16", "float32", "float64")
"""Kinds of numbers that are read."""


def stored(
    source: Encoded, name: str, max_bytes: int, axes: str, check: Callable[[str, tuple[int, ...], np.dtype[Any]], None]
) -> tuple[NDArray[np.float32], str]:
    """The numbers of a .npy file in float32 and the file's hash; `axes` says what its axes are, and `check` refuses by name,
    shape and kind before the numbers are read. Raises `BadPicture`."""
    with opened(source, name, max_bytes) as (file, length):
        shape, fortran, dtype = _header(file, name, axes)
        check(name, shape, dtype)
        begins, wanted = file.tell(), math.prod(shape) * dtype.itemsize
        if length - begins != wanted:
            message = f"{name} holds {length - begins:,} bytes of numbers where its header says {wanted:,}: is it cut short?"
            raise BadPicture(message)
        file.seek(0)
        data = file.read(length)
    flat = np.frombuffer(data, dtype, offset=begins)
    values = np.ascontiguousarray(flat.reshape(shape, order="F" if fortran else "C"), np.float32)
    return values, hashlib.sha256(data).hexdigest()


def _header(file: BinaryIO, name: str, axes: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[npy.read_magic(file)]
        shape, fortran, dtype = read(file)
    except (ValueError, KeyError, OSError, EOFError):
        raise BadPicture(f"{name} is not a .npy file of numbers: save it with numpy.save, {axes}") from None
    return shape, fortran, dtype
