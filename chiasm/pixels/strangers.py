"""What a file that is no picture for us probably is, so that the refusal can say it and what to do about it."""

from __future__ import annotations

_CHECK = "check where it came from"
_EXPORT = "export it as PNG or JPEG"

_SIGNATURES: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"%PDF", "a PDF document", "render its pages to pictures first"),
    (0, b"version https://git-lfs", "a git LFS pointer", "run `git lfs pull`"),
    (0, b"II*\0", "a TIFF picture or a raw photograph", _EXPORT),
    (0, b"MM\0*", "a TIFF picture", _EXPORT),
    (4, b"ftypavif", "an AVIF picture", _EXPORT),
    (4, b"ftyphei", "a HEIC picture", _EXPORT),
    (4, b"ftypmif1", "a HEIC picture", _EXPORT),
    (4, b"ftyp", "a video", "take a frame out of it first"),
    (0, b"\x1aE\xdf\xa3", "a video", "take a frame out of it first"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture", _EXPORT),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture", _EXPORT),
    (0, b"\xff\x0a", "a JPEG XL picture", _EXPORT),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture", _EXPORT),
    (0, b"8BPS", "a Photoshop document", _EXPORT),
    (0, b"\0\0\1\0", "an icon file", _EXPORT),
    (0, b"PK\x03\x04", "a zip archive or an office document", "take the picture out of it first"),
    (0, b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (0, b"\x93NUMPY", "a numpy file", "load it and give the array"),
    (0, b"\x7fELF", "a program", _CHECK),
)


def what_is(prefix: bytes) -> tuple[str, str]:
    """(what it is, what to do) from a file's first bytes, never quoting them."""
    for offset, signature, kind, advice in _SIGNATURES:
        if prefix[offset:].startswith(signature):
            return kind, advice
    text = prefix.decode("utf-8", errors="ignore").lstrip("\ufeff \t\r\n")
    if text[:5].lower() in ("<svg ", "<?xml") and "<svg" in text:
        return "an SVG drawing", _EXPORT
    if text[:5].lower() in ("<!doc", "<html"):
        return "a web page", "the download failed; fetch the picture itself"
    if text and all(c.isprintable() or c in "\t\r\n\f" for c in text) and len(text.encode()) > 0.9 * len(prefix):
        return "text", _CHECK
    return "nothing that is known", _CHECK
