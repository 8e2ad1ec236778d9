"""The one door for untrusted pictures: caps before decoding, upright, opaque, and errors that say what to do.

The file is recognised by its content (five formats, nothing else), measured from its header, and only then given to
one decoder. Pillow's globals are neither relied on nor changed. Colour profiles are ignored; of an animation the first
frame is the picture.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from chiasm.errors import BadPicture, UserError
from chiasm.pixels.container import FORMATS, Container, Format, Unreadable
from chiasm.pixels.flatten import WHITE, Colour, NoRange, flatten
from chiasm.pixels.headers import read_container, recognise
from chiasm.pixels.orientation import UPRIGHT, upright_size
from chiasm.pixels.sources import Encoded, describe, opened, printable
from chiasm.pixels.strangers import what_is

Source = Encoded | Image.Image | NDArray[np.uint8]

MAX_PIXELS = 178_956_970
_ORIENTATION_TAG = 0x0112

# Image.open would warn on standard error above half of MAX_PIXELS and consult a global; the classes do neither.
DECODERS: dict[Format, Callable[[io.BytesIO], ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WebP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
}


@dataclass(frozen=True)
class Limits:
    """What is refused before decoding.

    `bytes` caps the encoded length. `pixels` caps width x height: 8192 x 8192 takes in the full size of a 64-megapixel
    camera, and decoding that much takes at most half a gigabyte (a WebP: 1.2). Servers customarily allow 178,956,970,
    which is the most that can be set here. `side` caps either side (65,535 is a JPEG's own most).
    """

    bytes: int = 128 << 20
    pixels: int = 1 << 26
    side: int = 65_535
    formats: tuple[Format, ...] = FORMATS

    def __post_init__(self) -> None:
        if not 0 < self.pixels <= MAX_PIXELS:
            raise UserError(f"Limits.pixels is {self.pixels:,}; it must be from 1 to {MAX_PIXELS:,}.")
        if self.bytes < 1 or self.side < 1:
            raise UserError(f"Limits.bytes is {self.bytes:,} and Limits.side is {self.side:,}; both must be above 0.")
        if unknown := set(self.formats) - set(FORMATS):
            raise UserError(f"Limits.formats has {', '.join(map(str, unknown))}; it must be among {', '.join(FORMATS)}.")


@dataclass(frozen=True)
class Header:
    """What is known of a picture without decoding: the size in pixels of the *upright* picture.

    `format` is None for pictures that were given decoded (PIL or numpy).
    """

    width: int
    height: int
    format: Format | None
    name: str


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture: `pixels` is uint8 (H, W, 3), RGB, upright and opaque, and belongs to the caller.

    `sha256` (hexadecimal) is of the encoded bytes, or, for one that was given decoded, of its upright size and pixels.
    Ground and limits are not in it: they belong to the preprocessing fingerprint.
    """

    pixels: NDArray[np.uint8]
    sha256: str
    name: str

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])


_DEFAULT = Limits()


def header(source: Source, limits: Limits = _DEFAULT, *, name: str | None = None) -> Header:
    """The upright size of a picture, from its header alone (of a PIL image: from its own attributes).

    `name` replaces the source's own in messages, for instance "row 17 of train.jsonl".

    Raises: BadPicture, with one sentence, also where `limits` would refuse the picture.
    """
    if isinstance(source, np.ndarray):
        name = printable(name or "an array")
        height, width = _array_image(source, name).shape[:2]
        _check_size(name, width, height, limits)
        return Header(width, height, None, name)
    if isinstance(source, Image.Image):
        name = printable(name or "a PIL image")
        _check_size(name, *source.size, limits)
        return Header(*upright_size(*source.size, _pil_orientation(source, name)), None, name)
    name = printable(name or describe(_encoded(source)))
    with opened(source, name, limits.bytes) as (file, length):
        container = measure(file, length, name, limits)
    return Header(*upright_size(container.width, container.height, container.orientation), container.format, name)


def open_picture(source: Source, limits: Limits = _DEFAULT, *, ground: Colour = WHITE, name: str | None = None) -> Picture:
    """Decodes a picture: a path, bytes, a data: URL with base64, a PIL image, or uint8 numpy (H, W), (H, W, 1 to 4).

    EXIF (else XMP) orientation is applied; transparency is composed on `ground`; palettes, grey, CMYK and 16 bits
    become 8-bit RGB (16-bit samples keep their high byte). Ordinary RGB files equal Pillow's `convert("RGB")` exactly.
    Colour profiles are ignored. Of an animation the first frame is the picture. A PIL image is taken as its owner
    opened it, whatever its format; all else is one of `limits.formats`.

    Raises: BadPicture, with one sentence that names the picture, what was found, what was expected, and what to do.
    """
    if isinstance(source, np.ndarray):
        name = printable(name or "an array")
        array = _array_image(source, name)
        _check_size(name, array.shape[1], array.shape[0], limits)
        return _decoded(Image.fromarray(array), UPRIGHT, ground, name)
    if isinstance(source, Image.Image):
        name = printable(name or "a PIL image")
        _check_size(name, *source.size, limits)
        return _decoded(source, _pil_orientation(source, name), ground, name)
    name = printable(name or describe(_encoded(source)))
    with opened(source, name, limits.bytes) as (file, length):
        container = measure(file, length, name, limits)
        file.seek(0)
        data = file.read(length)
    pixels_HWC = _decode(container, data, ground, name)
    return Picture(pixels_HWC, hashlib.sha256(data).hexdigest(), name)


def _encoded(source: object) -> Encoded:
    if isinstance(source, str | os.PathLike | bytes | bytearray | memoryview):
        return source
    raise BadPicture(
        f"found {type(source).__name__}, expected a picture: a path, bytes, a data: URL, a PIL image, a uint8 array."
    )


def measure(file: BinaryIO, length: int, name: str, limits: Limits) -> Container:
    """What a picture file says of itself. Raises `BadPicture`, also where `limits` would refuse it."""
    prefix = file.read(512)
    format = recognise(prefix)
    expected = f"a picture ({', '.join(limits.formats)})"
    if format is None:
        found, advice = what_is(prefix)
        raise BadPicture(f"{name}: found {found}, expected {expected}; {advice}.")
    if format not in limits.formats:
        raise BadPicture(f"{name}: found {format}, expected {expected}; convert it.")
    try:
        container = read_container(format, file, length)
    except Unreadable as e:
        raise BadPicture(broken(name, format, length, str(e))) from None
    _check_size(name, container.width, container.height, limits)
    return container


def _check_size(name: str, width: int, height: int, limits: Limits) -> None:
    if width < 1 or height < 1:
        raise BadPicture(f"{name}: its size is {width} by {height}, expected at least one pixel; save it again.")
    if width * height > limits.pixels:
        raise BadPicture(
            f"{name}: {width}x{height} is {width * height:,} pixels, above the limit of {limits.pixels:,}; "
            "make the picture smaller, or raise Limits.pixels."
        )
    if max(width, height) > limits.side:
        raise BadPicture(
            f"{name}: {width}x{height} has a side above the limit of {limits.side:,}; cut it up, or raise Limits.side."
        )


def broken(name: str, format: Format, length: int, what: str) -> str:
    """What is said of a file that is no whole picture."""
    return f"{name}: this {format} of {length:,} bytes {what}, expected a whole picture; fetch or save it again."


def _decode(container: Container, data: bytes, ground: Colour, name: str) -> NDArray[np.uint8]:
    """Any exception of a decoder, whatever its type, is one sentence here: their texts have leaked memory before."""
    try:
        image = DECODERS[container.format](io.BytesIO(container.essential(data)))
        if image.size != (container.width, container.height):
            raise Unreadable("contradicts its own header")
        return flatten(image, container.orientation, ground, container.colour_key)
    except Unreadable as e:
        raise BadPicture(broken(name, container.format, len(data), str(e))) from None
    except MemoryError:
        raise BadPicture(f"{name}: decoding needs more memory than there is; lower Limits.pixels.") from None
    except Exception:
        raise BadPicture(broken(name, container.format, len(data), "is damaged or cut short")) from None


def _decoded(image: Image.Image, orientation: int, ground: Colour, name: str) -> Picture:
    try:
        pixels_HWC = flatten(image, orientation, ground)
    except NoRange:
        raise BadPicture(
            f"{name}: found mode {image.mode}, which has no fixed range; convert it to 8 bits (mode L or RGB) first."
        ) from None
    except Exception:
        raise BadPicture(f"{name}: its pixels cannot be read (mode {image.mode}); save and open it again.") from None
    height, width = pixels_HWC.shape[:2]
    digest = hashlib.sha256(f"rgb8 {height}x{width}\n".encode())
    digest.update(pixels_HWC.data)
    return Picture(pixels_HWC, digest.hexdigest(), name)


def _pil_orientation(image: Image.Image, name: str) -> int:
    """As Pillow's own `exif_transpose` reads it, which for a PNG not yet loaded loads it."""
    try:
        stated = image.getexif().get(_ORIENTATION_TAG, UPRIGHT)
    except Exception:
        raise BadPicture(f"{name}: its EXIF data is broken; save the picture without it.") from None
    return stated if stated in range(1, 9) else UPRIGHT


def _array_image(array: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    if array.dtype != np.uint8:
        raise BadPicture(f"{name}: found {array.dtype} values, expected uint8 from 0 to 255; scale and cast it first.")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (2, 3, 4)):
        return array
    raise BadPicture(
        f"{name}: found shape {array.shape}, expected (H, W) or (H, W, 1 to 4), channels last; transpose it first."
    )
