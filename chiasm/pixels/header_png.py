"""PNG up to its pixels: chunks by name, the orientation wherever it hides, the transparent colour."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from chiasm.pixels import orientation
from chiasm.pixels.container import METADATA, Container, Unreadable, bounded, merge, take

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _chunks(file: BinaryIO, length: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of each chunk to IEND, the file standing at the chunk's content."""
    start = len(SIGNATURE)
    while True:
        file.seek(start)
        head = file.read(8)
        end = start + 12 + (int.from_bytes(head[:4], "big") if len(head) == 8 else length)
        if end > length:
            raise Unreadable("is cut short")
        yield head[4:], start, end
        if head[4:] == b"IEND":
            return
        start = end


def read_png(file: BinaryIO, length: int) -> Container:
    """PNG third edition, 5.3 and 11; of the texts only those that hold an orientation are read."""
    head: tuple[int, ...] = ()
    exif: bytes | None = None
    xmp: bytes | None = None
    key: tuple[int, ...] | None = None
    spans = [(0, len(SIGNATURE))]
    for name, start, end in bounded(_chunks(file, length)):
        size = end - start - 12
        if not head:
            if name != b"IHDR" or size != 13:
                raise Unreadable("does not begin with its size")
            head = struct.unpack(">IIBBBBB", take(file, 13))
        if name in (b"IHDR", b"PLTE", b"IDAT", b"IEND") or (name == b"tRNS" and head[3] == 3):
            spans.append((start, end))
        elif name == b"tRNS" and head[3] in (0, 2):
            key = _key(take(file, size), depth=head[2], samples=1 if head[3] == 0 else 3)
        elif name == b"eXIf":
            exif = take(file, min(size, METADATA))
        elif name in (b"tEXt", b"zTXt", b"iTXt") and size <= METADATA:
            keyword, _, text = take(file, size).partition(b"\0")
            if keyword == b"Raw profile type exif" and name in (b"tEXt", b"zTXt"):
                exif = exif or _raw_profile(_inflate(text[1:]) if name == b"zTXt" else text)
            elif keyword == b"XML:com.adobe.xmp" and name == b"iTXt":
                packed, _, text = text[0:1], text[1:2], text[2:].split(b"\0", 2)[-1]
                xmp = _inflate(text) if packed == b"\1" else text
    return Container("PNG", head[0], head[1], orientation.decide(exif, xmp), merge(spans), key)


def _key(data: bytes, depth: int, samples: int) -> tuple[int, ...]:
    """Key samples on the scale of the decoded pixels: 8 bits, and 16 for 16-bit grey."""
    if len(data) != 2 * samples:
        raise Unreadable("has a broken transparent colour")
    values = struct.unpack(f">{samples}H", data)
    if depth == 16:
        return values if samples == 1 else tuple(value >> 8 for value in values)
    top = (1 << depth) - 1
    return tuple((value & top) * 255 // top for value in values)


def _inflate(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, METADATA)
    except zlib.error:
        return b""


def _raw_profile(text: bytes) -> bytes | None:
    """ImageMagick's way to keep EXIF in a PNG text: a line break, a name, a length, then hexadecimal lines."""
    try:
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return None
