"""Pictures that lie, overflow, or never end. `hostile()` names them all; each must be refused with one sentence."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def ihdr(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))


def png(width: int, height: int, rows: list[bytes], depth: int = 8, colour: int = 2, extra: bytes = b"") -> bytes:
    """A PNG of unfiltered rows, each already packed as the depth asks."""
    packed = zlib.compress(b"".join(b"\0" + row for row in rows))
    return PNG + ihdr(width, height, depth, colour) + extra + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def png_bomb(width: int = 30_000, height: int = 30_000) -> bytes:
    """A valid all-black RGB PNG, by repeating one deflated megabyte of zeros: 30,000 x 30,000 makes about 3 MB."""
    total = height * (1 + 3 * width)
    whole, rest = divmod(total, 1 << 20)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    tail = zlib.compressobj(9, zlib.DEFLATED, -15)
    end = tail.compress(bytes(rest)) + tail.flush()
    adler = struct.pack(">I", (total % 65521) << 16 | 1)
    return PNG + ihdr(width, height) + chunk(b"IDAT", b"\x78\xda" + block * whole + end + adler) + chunk(b"IEND", b"")


def sample(width: int = 48, height: int = 36, channels: int = 3, seed: int = 0) -> Image.Image:
    """A small noisy picture."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format=format, **options)
    return file.getvalue()


def _riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(n + struct.pack("<I", len(d)) + d + b"\0" * (len(d) % 2) for n, d in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _gif(width: int, height: int, frame: tuple[int, int, int, int], before: bytes = b"") -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return head + before + b"," + struct.pack("<HHHHB", *frame, 0) + b"\x02\x02\x44\x01\x00;"


def _many_scans(count: int) -> bytes:
    whole = encoded(sample(), "JPEG", progressive=True)
    scan = whole.rindex(b"\xff\xda")
    return whole[:scan] + whole[scan:-2] * count + whole[-2:]


def _patched(data: bytes, marker: bytes, offset: int, value: bytes) -> bytes:
    at = data.index(marker) + offset
    return data[:at] + value + data[at + len(value) :]


def hostile() -> dict[str, bytes]:
    jpeg, plain = encoded(sample(), "JPEG"), encoded(sample(), "PNG")
    webp, gif, bmp = (encoded(sample(), f) for f in ("WEBP", "GIF", "BMP"))
    idat = plain.index(b"IDAT")
    vp8x = struct.pack("<I", 0) + (16383).to_bytes(3, "little") * 2
    return {
        "nothing": b"",
        "one byte": b"\xff",
        "text": b"This is not a picture, whatever its name says.\n" * 20,
        "web page": b"<!DOCTYPE html><html><body>404</body></html>",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        "pdf": b"%PDF-1.7\n" + bytes(100),
        "tiff": encoded(sample(), "TIFF"),
        "ico": encoded(sample(), "ICO"),
        "ppm": encoded(sample(), "PPM"),
        "zip": b"PK\x03\x04" + bytes(100),
        "elf": b"\x7fELF" + bytes(100),
        "lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
        "noise": np.random.default_rng(1).bytes(5000),
        "jpeg half": jpeg[: len(jpeg) // 2],
        "jpeg without its end": jpeg[:-2],
        "jpeg start only": jpeg[:3],
        "jpeg without a picture": b"\xff\xd8\xff\xd9",
        "jpeg giant": _patched(jpeg, b"\xff\xc0", 5, b"\xff\xff\xff\xff"),
        "jpeg of no height": _patched(jpeg, b"\xff\xc0", 5, b"\x00\x00"),
        "jpeg lossless": jpeg.replace(b"\xff\xc0", b"\xff\xc3", 1),
        "jpeg twelve bits": _patched(jpeg, b"\xff\xc0", 4, b"\x0c"),
        "jpeg of two sizes": jpeg[:2] + b"\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00" + jpeg[2:],
        "jpeg of padding": b"\xff\xd8" + b"\xff" * 200_000,
        "jpeg of stray bytes": b"\xff\xd8\xff\xe0\x00\x02" + b"a" * 200_000,
        "jpeg of empty segments": b"\xff\xd8" + b"\xff\xfe\x00\x02" * 100_000,
        "jpeg segment of length 0": b"\xff\xd8" + b"\xff\xfe\x00\x00" * 10,
        "jpeg of 500 scans": _many_scans(500),
        "png bomb": PNG + ihdr(30_000, 30_000) + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
        "png beyond 31 bits": PNG + ihdr(2**32 - 1, 2**32 - 1) + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
        "png of no width": PNG + ihdr(0, 10) + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
        "png without pixels": PNG + ihdr(10, 10) + chunk(b"IEND", b""),
        "png half": plain[: len(plain) // 2],
        "png cut between chunks": plain[:-12],
        "png without IHDR": PNG + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
        "png of two sizes": PNG + ihdr(1, 1) + ihdr(20_000, 20_000) + plain[33:],
        "png of unknown depth": PNG + ihdr(10, 10, depth=7) + plain[33:],
        "png damaged": plain[: idat + 40] + b"\0\1\2\3" + plain[idat + 44 :],
        "png of 100,000 chunks": PNG + ihdr(10, 10) + chunk(b"juNk", b"") * 100_000 + plain[33:],
        "png chunk of 4 GB": PNG + ihdr(10, 10) + b"\xff\xff\xff\xffIDAT" + bytes(50),
        "png key broken": png(2, 1, [bytes(6)], extra=chunk(b"tRNS", b"\0")),
        "webp giant": _riff((b"VP8X", vp8x), (b"VP8 ", bytes(10))),
        "webp half": webp[: len(webp) // 2],
        "webp without a picture": _riff(),
        "webp of nothing known": _riff((b"JUNK", bytes(20))),
        "webp of 100,000 chunks": _riff((b"VP8X", bytes(10)), *[(b"JUNK", b"")] * 100_000),
        "webp damaged": _patched(webp, b"VP8 ", 8, bytes(30)),
        "gif half": gif[: len(gif) // 2],
        "gif giant frame": _gif(10, 10, (0, 0, 65535, 65535)),
        "gif without a picture": b"GIF89a" + struct.pack("<HHBBB", 10, 10, 0, 0, 0) + b";",
        "gif of tiny blocks": _gif(10, 10, (0, 0, 10, 10), before=b"!\xfe" + b"\x01a" * 200_000 + b"\0"),
        "gif of no size": _gif(0, 0, (0, 0, 0, 0)),
        "bmp half": bmp[: len(bmp) // 2],
        "bmp of negative width": _patched(bmp, b"BM", 18, struct.pack("<i", -48)),
        "bmp giant": _patched(bmp, b"BM", 18, struct.pack("<ii", 2**31 - 1, 2**31 - 1)),
        "bmp run-length": _patched(bmp, b"BM", 30, struct.pack("<I", 1)),
        "bmp of unknown depth": _patched(bmp, b"BM", 28, struct.pack("<H", 13)),
    }
