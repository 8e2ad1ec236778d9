"""What is known of a picture file before decoding: size, orientation, and the byte ranges that a decoder needs.

Everything that a decoder does not need (EXIF, XMP, colour profiles, comments, texts, further frames' control data,
whatever follows the end) is left out of what it is given, so metadata is parsed here, with bounds, or nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, Literal, get_args

Format = Literal["JPEG", "PNG", "WebP", "GIF", "BMP"]
FORMATS: tuple[Format, ...] = get_args(Format)

MAX_BLOCKS = 65_536
MAX_SCANS = 100
METADATA = 1 << 20
EOI = b"\xff\xd9"


class Unreadable(Exception):
    """What is wrong with a file's structure, as the middle of a sentence."""


@dataclass(frozen=True)
class Container:
    """One picture file before decoding.

    `width` and `height` are the stored ones, `orientation` is 1 to 8, `spans` are the byte ranges for the decoder,
    `colour_key` is the grey value or the colour that a PNG without alpha declares transparent (16-bit grey: 16 bits).
    """

    format: Format
    width: int
    height: int
    orientation: int
    spans: tuple[tuple[int, int], ...]
    colour_key: tuple[int, ...] | None = None

    def essential(self, data: bytes) -> bytes:
        """The bytes for the decoder, of a file read whole.

        Raises: Unreadable, where a JPEG has no end or hundreds of scans, each of which costs a full decode.
        """
        spans = self.spans
        if self.format == "JPEG":
            start = spans[-1][0]
            end = data.find(EOI, start)
            if end < 0:
                raise Unreadable("is cut short")
            if data.count(b"\xff\xda", start, end) > MAX_SCANS:
                raise Unreadable(f"has more than {MAX_SCANS} scans")
            spans = (*spans[:-1], (start, end + 2))
        return data if spans == ((0, len(data)),) else b"".join(data[start:end] for start, end in spans)


def take(file: BinaryIO, size: int) -> bytes:
    """So many bytes; raises `Unreadable` where the file ends before."""
    data = file.read(size)
    if len(data) < size:
        raise Unreadable("ends inside its header")
    return data


def bounded(steps: Iterator[tuple[bytes, int, int]]) -> Iterator[tuple[bytes, int, int]]:
    """A container's blocks; raises `Unreadable` after `MAX_BLOCKS` of them."""
    yield from islice(steps, MAX_BLOCKS)
    if next(steps, None) is not None:
        raise Unreadable(f"has more than {MAX_BLOCKS:,} blocks")


def merge(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Spans of bytes with those that touch joined."""
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and merged[-1][1] == start:
            start = merged.pop()[0]
        merged.append((start, end))
    return tuple(merged)
