"""Which way up a picture is: the orientation tag of EXIF (TIFF 6.0 tag 274) or XMP, and the view that undoes it."""

from __future__ import annotations

import re
import struct

import numpy as np
from numpy.typing import NDArray

UPRIGHT = 1
SIDEWAYS = (5, 6, 7, 8)
_TAG, _SHORT, _LONG = 0x0112, 3, 4
_XMP = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')


def from_exif(block: bytes) -> int | None:
    """The orientation (any integer) that an EXIF block states, or None where it states none or is broken."""
    while block.startswith(b"Exif\0\0"):
        block = block[6:]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return None
    found = None
    try:
        (start,) = struct.unpack_from(f"{order}I", block, 4)
        (entries,) = struct.unpack_from(f"{order}H", block, start)
        for i in range(entries):
            tag, kind, count = struct.unpack_from(f"{order}HHI", block, start + 2 + 12 * i)
            if tag == _TAG and count == 1 and kind in (_SHORT, _LONG):
                (found,) = struct.unpack_from(order + ("H" if kind == _SHORT else "I"), block, start + 10 + 12 * i)
    except struct.error:
        return found
    return found


def from_xmp(packet: bytes) -> int | None:
    """The orientation that an XMP packet states, or None."""
    match = _XMP.search(packet)
    return int(match[1]) if match else None


def decide(exif: bytes | None, xmp: bytes | None) -> int:
    """One of 1 to 8: EXIF speaks before XMP, and what neither states, or states out of range, is upright."""
    stated = from_exif(exif) if exif else None
    if stated is None and xmp:
        stated = from_xmp(xmp)
    return stated if stated is not None and 1 <= stated <= 8 else UPRIGHT


def upright_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """(width, height) of the upright picture from the stored ones."""
    return (height, width) if orientation in SIDEWAYS else (width, height)


def stored_view(upright_HWC: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """The same memory seen in the order in which the file stores its rows, so that writing rows turns the picture."""
    match orientation:
        case 2:
            return upright_HWC[:, ::-1]
        case 3:
            return upright_HWC[::-1, ::-1]
        case 4:
            return upright_HWC[::-1]
        case 5:
            return upright_HWC.swapaxes(0, 1)
        case 6:
            return np.rot90(upright_HWC, 1)
        case 7:
            return upright_HWC[::-1, ::-1].swapaxes(0, 1)
        case 8:
            return np.rot90(upright_HWC, -1)
        case _:
            return upright_HWC
