"""The five picture formats, read up to their pixels and no further."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

from chiasm.pixels import header_png, orientation
from chiasm.pixels.container import EOI, METADATA, Container, Format, Unreadable, bounded, merge, take


def recognise(prefix: bytes) -> Format | None:
    """The format that the first 16 bytes announce, or None."""
    if prefix.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if prefix.startswith(header_png.SIGNATURE):
        return "PNG"
    if prefix[:4] == b"RIFF" and prefix[8:12] == b"WEBP":
        return "WebP"
    if prefix.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    return "BMP" if prefix.startswith(b"BM") else None


def read_container(format: Format, file: BinaryIO, length: int) -> Container:
    """Reads a seekable file of `length` bytes up to its pixels, decoding none.

    Raises: Unreadable, where the structure is cut short, contradictory or endless.
    """
    file.seek(0)
    container = _READERS[format](file, length)
    if container.width < 1 or container.height < 1:
        raise Unreadable(f"states a size of {container.width} by {container.height} pixels")
    return container


def _jpeg_segments(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """(marker, start, end) of each segment from behind SOI up to and with the first start of scan."""
    while True:
        while take(file, 1) != b"\xff":
            yield b"", 0, 0  # stray bytes between segments: tolerated, but they count
        while (marker := take(file, 1)) == b"\xff":
            yield b"", 0, 0
        start = file.tell() - 2
        if marker == b"\x00" or marker == b"\x01" or 0xD0 <= marker[0] <= 0xD8:
            yield b"", 0, 0
            continue
        if marker == EOI[1:]:
            raise Unreadable("ends without a picture")
        (size,) = struct.unpack(">H", take(file, 2))
        yield marker, start, start + 2 + size
        if marker == b"\xda":
            return
        file.seek(start + 2 + size)


def _jpeg(file: BinaryIO, length: int) -> Container:
    """ITU T.81 annex B; of the application segments only JFIF (APP0) and Adobe (APP14) change colours."""
    take(file, 2)
    size: tuple[int, int] | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    spans = [(0, 2)]
    for marker, start, end in bounded(_jpeg_segments(file)):
        code = marker[0] if marker else 0
        if end > length:
            raise Unreadable("ends inside its header")
        if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">xHH", take(file, 5))
            size = size or (width, height)
        if code == 0xE1:
            body = take(file, max(0, end - start - 4))
            if body.startswith(b"Exif\0\0"):
                exif = exif or body
            elif body.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
                xmp = body
        elif code == 0xDA:
            spans.append((start, length))
        elif code and code != 0xFE and (code in (0xE0, 0xEE) or not 0xE1 <= code <= 0xEF):
            spans.append((start, end))
    if size is None:
        raise Unreadable("states no size")
    return Container("JPEG", *size, orientation.decide(exif, xmp), merge(spans))


def _webp_chunks(file: BinaryIO, end: int) -> Iterator[tuple[bytes, int, int]]:
    start = 12
    while start + 8 <= end:
        file.seek(start)
        head = take(file, 8)
        size = int.from_bytes(head[4:], "little")
        yield head[:4], start + 8, start + 8 + size
        start += 8 + size + size % 2


def _webp(file: BinaryIO, length: int) -> Container:
    """RFC 9649: the canvas of the extended form, else the frame of VP8 (RFC 6386, 9.1) or of VP8L."""
    riff = take(file, 12)
    end = 8 + int.from_bytes(riff[4:8], "little")
    if end > length:
        raise Unreadable("is cut short")
    size: tuple[int, int] | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    for name, start, stop in bounded(_webp_chunks(file, end)):
        if size is None:
            head = file.read(10).ljust(10, b"\0")
            if name == b"VP8X":
                size = 1 + int.from_bytes(head[4:7], "little"), 1 + int.from_bytes(head[7:10], "little")
            elif name == b"VP8L" and head[0] == 0x2F:
                bits = int.from_bytes(head[1:5], "little")
                size = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
            elif name == b"VP8 " and head[3:6] == b"\x9d\x01\x2a":
                size = int.from_bytes(head[6:8], "little") & 0x3FFF, int.from_bytes(head[8:10], "little") & 0x3FFF
            else:
                raise Unreadable("does not begin with its size")
        elif name == b"EXIF":
            exif = exif or file.read(min(stop - start, METADATA))
        elif name == b"XMP ":
            xmp = xmp or file.read(min(stop - start, METADATA))
    if size is None:
        raise Unreadable("holds no picture")
    return Container("WebP", *size, orientation.decide(exif, xmp), ((0, end),))


def _gif_blocks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of each extension and each of its parts, then of the first image's descriptor."""
    while True:
        start = file.tell()
        kind = take(file, 1)
        if kind == b",":
            yield kind, start, start + 10
            return
        if kind != b"!":
            raise Unreadable("holds no picture")
        label = take(file, 1)
        while size := take(file, 1)[0]:
            file.seek(size, 1)
            yield b"", 0, 0
        yield label, start, file.tell()


def _gif(file: BinaryIO, length: int) -> Container:
    """GIF89a; a first frame that reaches beyond the screen widens it, as Pillow has it."""
    head = take(file, 13)
    width, height, flags = struct.unpack_from("<HHB", head, 6)
    if flags & 0x80:
        take(file, 3 << (flags & 7) + 1)
    spans = [(0, file.tell())]
    for kind, start, end in bounded(_gif_blocks(file)):
        if kind == b"\xf9":
            spans = [spans[0], (start, end)]
        elif kind == b",":
            left, top, wide, high = struct.unpack("<4H", take(file, 9)[:8])
            width, height = max(width, left + wide), max(height, top + high)
            spans.append((start, length))
    return Container("GIF", width, height, orientation.UPRIGHT, merge(spans))


def _bmp(file: BinaryIO, length: int) -> Container:
    """Windows bitmaps, plain or with bit fields; run-length ones are refused: Pillow undoes them in Python, slowly."""
    head = take(file, 18)
    offset, kind = struct.unpack_from("<II", head, 10)
    if kind == 12:
        width, height, _, depth = struct.unpack("<4H", take(file, 8))
        compression = 0
    else:
        width, height, _, depth, compression = struct.unpack("<iiHHI", take(file, 16))
    if compression not in (0, 3):
        raise Unreadable("is a compressed bitmap")
    height = abs(height)
    if offset + (width * depth + 31) // 32 * 4 * height > length:
        raise Unreadable("is cut short")
    return Container("BMP", width, height, orientation.UPRIGHT, ((0, length),))


_READERS: dict[Format, Callable[[BinaryIO, int], Container]] = {
    "JPEG": _jpeg,
    "PNG": header_png.read_png,
    "WebP": _webp,
    "GIF": _gif,
    "BMP": _bmp,
}
